import { expect, test } from 'vitest';

import { markedPieces, seenLine } from '../../src/model/marks';

test.each([
  ['a = 1\n\tb\r\n', [['a = 1\n\tb\r\n', null]]],
  ['', []],
  [
    'a\u202eb\u200b\u2066c',
    [
      ['a', null],
      ['\u202e', 'U+202E'],
      ['b', null],
      ['\u200b\u2066', 'U+200B U+2066'],
      ['c', null]
    ]
  ],
  ['\u{e0041}', [['\u{e0041}', 'U+E0041']]]
])('the pieces of %j are the text, and name what is hidden', (text, pieces) => {
  expect(markedPieces(text).map(piece => [piece.text, piece.points])).toEqual(pieces);
  expect(markedPieces(text).map(piece => piece.text)).toEqual(pieces.map(([part]) => part));
});

test.each([
  ['x = 1', 'x = 1'],
  ['  a\u202eb\u200bc ', 'a•b•c'],
  ['\u001b[31mred\u001b[0m', 'red'],
  ['\u2764\ufe0f', '\u2764'],
  ['\u202e'.repeat(100), `${'•'.repeat(79)}…`],
  [7, '']
])('%j as one line is %j', (text, line) => {
  expect(seenLine(text)).toBe(line);
});
