/** Characters that are not seen, or that change what is seen. */
import { codePoint, hiddenIn, markedPieces } from '../../model/marks';

/** The hidden characters of a code, as `U+202E`, each once, with the line where it stands first. */
export function hiddenCharacters(code: string): { name: string; line: number }[] {
  const found = new Map<string, number>();
  for (const { character, index } of hiddenIn(code)) {
    const name = codePoint(character);
    if (!found.has(name)) {
      found.set(name, code.slice(0, index).split('\n').length);
    }
  }
  return [...found].map(([name, line]) => ({ name, line }));
}

/** How many hidden characters there are in a code. */
export function hiddenCount(code: string): number {
  return [...hiddenIn(code)].length;
}

/** Puts a mark around each hidden character of what an element shows; it stays in the text, for who copies that. */
export function markHidden(element: Element): void {
  const texts: Text[] = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    texts.push(walker.currentNode as Text);
  }
  for (const node of texts) {
    const pieces = markedPieces(node.data);
    if (pieces.some(({ points }) => points !== null)) {
      node.replaceWith(
        ...pieces.map(({ text, points }) => (points === null ? text : markOf(text, points)))
      );
    }
  }
}

function markOf(text: string, points: string): HTMLElement {
  const mark = document.createElement('span');
  mark.className = 'jp-rlm-Hidden';
  mark.title = points;
  mark.textContent = text;
  return mark;
}
