import { INVISIBLE, plainLine } from './plain';

/** What stands for a character that is not seen, or that changes what is seen. */
export const PLACEHOLDER = '•';

/** Parts of emoji, and of words in some languages: they say nothing by themselves. */
const JOINERS = new Set(['\u200c', '\u200d', '\ufe0e', '\ufe0f']);

/** How much of a text is looked at for each character that is shown. */
const SLACK = 8;

/** A piece of a text; `points` names the hidden characters that it consists of, and is null where all is seen. */
export interface Piece {
  readonly text: string;
  readonly points: string | null;
}

/** Return a character as `U+202E`. */
export function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** Yield each hidden character of a text, and where it is; indents and the ends of lines are none. */
export function* hiddenIn(text: string): Generator<{ character: string; index: number }> {
  for (const { 0: character, index } of text.matchAll(INVISIBLE)) {
    const isLayout = character === '\t' || character === '\n';
    if (!isLayout && !(character === '\r' && text[index + 1] === '\n')) {
      yield { character, index };
    }
  }
}

/** Return a text in pieces: what is seen, and hidden characters, those together that stand together. */
export function markedPieces(text: string): Piece[] {
  const found: Piece[] = [];
  let from = 0;
  let hidden: { from: number; points: string[] } | null = null;
  const close = (): void => {
    if (hidden !== null) {
      found.push({ text: text.slice(hidden.from, from), points: told(hidden.points) });
      hidden = null;
    }
  };
  for (const { character, index } of hiddenIn(text)) {
    if (index > from) {
      close();
      found.push({ text: text.slice(from, index), points: null });
    }
    hidden ??= { from: index, points: [] };
    hidden.points.push(codePoint(character));
    from = index + character.length;
  }
  close();
  if (from < text.length) {
    found.push({ text: text.slice(from), points: null });
  }
  return found;
}

/** Return the beginning of a text as one line, as `plainLine` does, but with a placeholder for what is hidden. */
export function seenLine(text: unknown, limit = 80): string {
  if (typeof text !== 'string') {
    return '';
  }
  const looked = text.slice(0, limit * SLACK);
  const shown = [...hiddenIn(looked)].filter(({ character }) => !isUsual(character));
  if (shown.length === 0) {
    return plainLine(text, limit);
  }
  let line = '';
  let from = 0;
  for (const { character, index } of shown) {
    line += `${looked.slice(from, index)}${PLACEHOLDER}`;
    from = index + character.length;
  }
  return plainLine(line + text.slice(from), limit);
}

/** Joiners, escapes of terminals and halves of what was cut are left out without a word. */
function isUsual(character: string): boolean {
  return JOINERS.has(character) || character === '\u001b' || /\p{Cs}/u.test(character);
}

function told(points: readonly string[]): string {
  const most = 8;
  const some = points.slice(0, most).join(' ');
  return points.length > most ? `${some} …` : some;
}
