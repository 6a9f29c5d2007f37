/** Characters that are not seen, or that change what is seen. */

const HIDDEN = /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]/gu;

/** The hidden characters of a code, as `U+202E`, each once, with the line where it stands first. */
export function hiddenCharacters(code: string): { name: string; line: number }[] {
  const found = new Map<string, number>();
  for (const match of code.matchAll(HIDDEN)) {
    const point = match[0].codePointAt(0) ?? 0;
    const name = `U+${point.toString(16).toUpperCase().padStart(4, '0')}`;
    if (!found.has(name)) {
      found.set(name, code.slice(0, match.index).split('\n').length);
    }
  }
  return [...found].map(([name, line]) => ({ name, line }));
}
