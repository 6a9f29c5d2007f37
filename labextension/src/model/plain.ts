/** Escape sequences of terminals. */
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g; // eslint-disable-line no-control-regex

/**
 * What takes no room or turns the direction of writing: controls, format characters (zero-width ones, marks and
 * overrides of direction, tags), halves of surrogate pairs, separators of lines that are none in code, and letters that
 * are drawn as nothing.
 */
export const INVISIBLE =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0]|[\u180b-\u180f]|[\ufe00-\ufe0f]|[\u{e0100}-\u{e01ef}]|\u034f|\u17b4|\u17b5/gu;

/** More marks on a letter than any language has: they would be drawn over the rows above and below. */
const PILES = /(\p{M}{4})\p{M}+/gu;

/** How much of a text is looked at for each character that is shown. */
const SLACK = 8;

/**
 * Return the beginning of a text as one line, in which every character is seen and stands where it belongs.
 *
 * `limit` counts characters; what was cut ends with an ellipsis. A text of any length costs the same.
 */
export function plainLine(text: unknown, limit = 80): string {
  if (typeof text !== 'string') {
    return '';
  }
  const looked = text.slice(0, limit * SLACK);
  const line = looked
    .replace(ESCAPES, '')
    .replace(/[^\S\ufeff]+/g, ' ')
    .replace(INVISIBLE, '')
    .replace(PILES, '$1')
    .trim();
  const characters = Array.from(line);
  const isCut = characters.length > limit || looked.length < text.trimEnd().length;
  return isCut
    ? `${characters
        .slice(0, limit - 1)
        .join('')
        .trimEnd()}…`
    : line;
}
