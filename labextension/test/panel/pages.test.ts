import { expect, test } from 'vitest';

import { hiddenCharacters } from '../../src/panel/detail/hidden';
import { cutAt, linesOf, pieces } from '../../src/panel/detail/pages';

test('the pieces of a text are the text', () => {
  for (const text of [
    '',
    'short',
    'line\n'.repeat(30_000),
    'x'.repeat(100_000),
    '😀'.repeat(50_000)
  ]) {
    expect(pieces(text).join('')).toBe(text);
  }
});

test('a piece ends with a line where it can, and never within a character', () => {
  const lines = pieces('some words\n'.repeat(10_000));
  expect(lines.slice(0, -1).every(piece => piece.endsWith('\n'))).toBe(true);
  // Half a character cannot be encoded: this throws.
  const faces = pieces(`x${'😀'.repeat(50_000)}`);
  expect(faces.every(piece => encodeURIComponent(piece).length > 0)).toBe(true);
  expect(cutAt('ab😀', 3)).toBe(2);
  expect(linesOf('a\nb\nc')).toBe(3);
});

test('characters that are not seen are named, each with its first line', () => {
  expect(hiddenCharacters('a = 1')).toEqual([]);
  expect(hiddenCharacters('a\u200b\nb\u202e\u200b')).toEqual([
    { name: 'U+200B', line: 1 },
    { name: 'U+202E', line: 2 }
  ]);
});

test.each([
  ['\u3164', 'U+3164'],
  ['\u115f', 'U+115F'],
  ['\u{e0041}', 'U+E0041'],
  ['\ufe0f', 'U+FE0F'],
  ['\r', 'U+000D'],
  ['\u0008', 'U+0008'],
  ['\u2028', 'U+2028']
])('%j is told of', (character, name) => {
  expect(hiddenCharacters(`a${character}b`)).toEqual([{ name, line: 1 }]);
});

test('indents and the ends of lines are not hidden', () => {
  expect(hiddenCharacters('if a:\r\n\tb = "é 漢 😀"\n')).toEqual([]);
});
