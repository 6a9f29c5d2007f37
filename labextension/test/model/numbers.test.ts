import { expect, test } from 'vitest';

import { below, without } from '../../src/model/numbers';

test.each([
  [[], [[1, 2]], []],
  [[[1, 5]], [], [[1, 5]]],
  [[[1, 5]], [[1, 5]], []],
  [
    [[1, 5]],
    [[2, 3]],
    [
      [1, 1],
      [4, 5]
    ]
  ],
  [
    [
      [1, 5],
      [8, 9]
    ],
    [[5, 8]],
    [
      [1, 4],
      [9, 9]
    ]
  ],
  [
    [
      [1, 2],
      [4, 9]
    ],
    [
      [0, 0],
      [4, 4],
      [6, 7],
      [9, 20]
    ],
    [
      [1, 2],
      [5, 5],
      [8, 8]
    ]
  ]
])('%j without %j is %j', (ranges, others, left) => {
  expect(without(ranges, others)).toEqual(left);
});

test('what is below a number', () => {
  expect(
    below(
      [
        [1, 3],
        [5, 9]
      ],
      7
    )
  ).toEqual([
    [1, 3],
    [5, 6]
  ]);
});
