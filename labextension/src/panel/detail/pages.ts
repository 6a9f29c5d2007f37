/** Long texts in pieces that a browser lays out one by one. */

/** How many characters of a text are shown before the reader asks for more. */
export const SHOWN = 20_000;

const PIECE = 32_000;

/** The number of characters up to which to show, so that no character is cut in two. */
export function cutAt(text: string, limit: number): number {
  if (text.length <= limit) {
    return text.length;
  }
  const last = text.charCodeAt(limit - 1);
  const half = last >= 0xd800 && last <= 0xdbff;
  return half ? limit - 1 : limit;
}

/** A text in pieces that end with a line where they can. */
export function pieces(text: string): string[] {
  const found: string[] = [];
  let from = 0;
  while (from < text.length) {
    const piece = text.slice(from, from + PIECE + 1);
    let to = from + cutAt(piece, PIECE);
    // Within the piece only: a text of one long line would be gone through again and again.
    const line = piece.lastIndexOf('\n', PIECE - 1);
    if (to < text.length && line > PIECE / 2) {
      to = from + line + 1;
    }
    found.push(text.slice(from, to));
    from = to;
  }
  return found;
}

/** How many lines a piece takes at least, for the room that is kept for it. */
export function linesOf(piece: string): number {
  let lines = 1;
  for (let at = piece.indexOf('\n'); at !== -1; at = piece.indexOf('\n', at + 1)) {
    lines += 1;
  }
  return Math.max(lines, Math.ceil(piece.length / 80));
}
