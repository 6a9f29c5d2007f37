import { nullTranslator } from '@jupyterlab/translation';
import { expect, test } from 'vitest';

import type { SpanEvent } from '../../src/api/types';
import { Scale } from '../../src/model/clock';
import { EVERYTHING } from '../../src/model/filter';
import { type Row, rowsOf } from '../../src/model/rows';
import { SpanTree } from '../../src/model/tree';
import { Faces } from '../../src/panel/faces';
import { end, reply, start } from '../model/events';

const SCALE = new Scale(0, 10_000);

/** The row of a group of as many sub-calls. */
function group(calls: number, ...more: SpanEvent[]): Row {
  const tree = new SpanTree();
  tree.take([start(0, 's1', null, 'run'), start(1, 'c1', 's1', 'code')]);
  tree.take(
    Array.from({ length: calls }, (_, call) => start(call + 2, `q${call}`, 'c1', 'subcall'))
  );
  tree.take(more);
  const rows = rowsOf(tree, { expanded: new Map(), grouping: 8, filter: EVERYTHING });
  return rows.find(row => row.type === 'group')!;
}

test('a row of few spans is always as they are', () => {
  const faces = new Faces(nullTranslator.load('x'));
  expect(faces.of(group(20), SCALE, false, true).name).toBe('20 llm_query');
  expect(faces.of(group(21), SCALE, false, true).name).toBe('21 llm_query');
});

test('a row of very many spans is worked out less often while they come, and then as they are', () => {
  const faces = new Faces(nullTranslator.load('x'));
  const first = faces.of(group(20_000), SCALE, false, true);
  expect(first.name).toBe('20,000 llm_query');
  expect(faces.of(group(20_001), SCALE, false, true)).toBe(first);
  expect(faces.of(group(20_001), SCALE, false, false).name).toBe('20,001 llm_query');
});

test('the time of a group is that of the clock, and what nobody knows is not free', () => {
  const faces = new Faces(nullTranslator.load('x'));
  const scale = new Scale(0, 100);
  const running = faces.of(group(8), scale, true, true);
  // Eight calls began at 2 to 9 seconds, and run.
  expect([running.time, running.cost, running.icon]).toEqual(['98.0 s', '–', '≡']);
  const ends = Array.from({ length: 7 }, (_, call) => end(20 + call, `q${call}`, 'subcall'));
  const over = group(8, ...ends, reply(40, 'q7', 'subcall', 1, 1, 0.02));
  expect(faces.of(over, scale, true, true)).toMatchObject({ time: '38.0 s', cost: '≥ $0.020' });
});
