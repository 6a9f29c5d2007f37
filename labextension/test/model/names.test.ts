import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';

import { grouped, isGroup } from '../../src/model/groups';
import {
  groupName,
  iconOf,
  isOutOfIterations,
  spanMark,
  spanName,
  tellingLine
} from '../../src/model/names';
import { plainLine } from '../../src/model/plain';
import type { Kind, Span } from '../../src/model/span';
import { SpanTree } from '../../src/model/tree';
import { end, start } from './events';

const trans = nullTranslator.load('rlm_jupyter');

function spanOf(kind: Kind, payload = {}, status?: string, ending = {}): Span {
  const tree = new SpanTree();
  tree.take([start(0, 's1', null, 'run'), start(1, 's2', 's1', kind, payload)]);
  tree.take(status === undefined ? [] : [end(2, 's2', kind, status, ending)]);
  return tree.get('s2')!;
}

describe('the name of a span', () => {
  const error = { name: 'RateLimit', message: '429\nToo many' };
  it.each<[string, Kind, object, string?, object?]>([
    ['Iteration 3', 'iteration', { number: 3 }],
    ['Iteration 3 · answered', 'iteration', { number: 3 }, 'ok', { answered: true }],
    ['Iteration 3 · answer refused', 'iteration', { number: 3 }, 'ok', { rejected: 'Too short.' }],
    ['Iteration 31 · final answer asked for', 'iteration', { number: 31, closing: true }],
    [
      'Iteration 31 · final answer asked for',
      'iteration',
      { number: 31, closing: true },
      'ok',
      { answered: true }
    ],
    ['Iteration ?', 'iteration', { number: 'many' }],
    ['gpt-5-mini', 'model_call', { model: 'gpt-5-mini' }],
    ['gpt-5-mini · summing up', 'model_call', { model: 'gpt-5-mini', purpose: 'compaction' }],
    ['model', 'model_call', { model: 7 }],
    ['x = 1', 'code', { code: '\n# a comment\nimport re\nx = 1\ny = 2' }],
    ['empty code', 'code', { code: ' \n\n' }],
    ['empty code', 'code', { code: null }],
    ['llm_query #57', 'subcall', { batch: 'b1', index: 57 }, 'ok'],
    ['llm_query #57: 429 Too many', 'subcall', { batch: 'b1', index: 57 }, 'error', { error }],
    [
      'llm_query · small: 429 Too many',
      'subcall',
      {},
      'error',
      { error: { name: 'RateLimit', message: '127.0.0.1:40287 answered 429: Too many' } }
    ],
    ['a = "•b"', 'code', { code: 'a = "\u202eb"' }],
    ['llm_query · small', 'subcall', {}],
    [
      'llm_query · small: RateLimit',
      'subcall',
      {},
      'error',
      { error: { name: 'RateLimit', message: '' } }
    ],
    ['rlm_query · Summarise', 'run', { question: ' Summarise\n' }],
    ['rlm_query #2 · Summarise', 'run', { question: 'Summarise', batch: 'b1', index: 2 }],
    ['rlm_query', 'run', { question: '' }]
  ])('is %s', (name, kind, payload, status, ending) => {
    expect(spanName(spanOf(kind, payload, status, ending), trans)).toBe(name);
  });

  it('is that of the run for the run itself', () => {
    const root = spanOf('code').parent!;
    expect([spanName(root, trans), iconOf(root)]).toEqual(['run', 'run']);
  });

  it.each<[string, Kind, object]>([
    ['child', 'run', {}],
    ['iteration', 'iteration', {}],
    ['model', 'model_call', {}],
    ['compaction', 'model_call', { purpose: 'compaction' }],
    ['code', 'code', {}],
    ['subcall', 'subcall', {}]
  ])('goes with an icon: %s', (icon, kind, payload) => {
    expect(iconOf(spanOf(kind, payload))).toBe(icon);
  });

  it.each([
    ['· rejected', 'rejected'],
    ['· edited', 'edited'],
    ['', 'approved'],
    ['', null]
  ])('is followed by %j for code that was %s', (mark, review) => {
    expect(spanMark(spanOf('code', { review }), trans)).toBe(mark);
  });

  it('of a group says how many of what', () => {
    const tree = new SpanTree();
    tree.take([start(0, 's1', null, 'run')]);
    for (let number = 1; number < 9; number++) {
      tree.take([
        start(10 * number, `c${number}`, 's1', 'subcall'),
        end(10 * number + 1, `c${number}`, 'subcall', number > 4 ? 'error' : 'ok'),
        start(10 * number + 2, `r${number}`, 's1', 'run')
      ]);
    }
    const items = grouped(tree.root!, tree.root!.children, 4).filter(isGroup);
    const names = ['4 llm_query', '8 rlm_query', '4 llm_query failed'];
    expect(items.map(group => groupName(group, trans))).toEqual(names);
  });
});

describe('a run that answered', () => {
  it.each([
    [true, 'ok', true],
    [false, 'ok', false],
    [false, 'limit', true]
  ])('is out of iterations: %s', (isOut, status, closing) => {
    const tree = new SpanTree();
    tree.take([
      start(0, 's1', null, 'run'),
      start(1, 'i1', 's1', 'iteration'),
      start(2, 'i2', 's1', 'iteration', { closing }),
      start(3, 'm1', 'i2', 'model_call'),
      end(4, 's1', 'run', status)
    ]);
    expect(isOutOfIterations(tree.root!)).toBe(isOut);
  });
});

describe('the line that tells most of code', () => {
  it.each([
    ['a = 1', 'a = 1'],
    ['from os import (\n  path,\n  sep\n)\nprint(sep)', 'print(sep)'],
    ['import os\r\nimport re\r\n', 'import os'],
    ['# why\n\nimport os', 'import os'],
    ['# why\n# how', '# why'],
    ['importance = 2', 'importance = 2'],
    ['\n'.repeat(199) + 'late', 'late'],
    ['\n'.repeat(10_000_000), '']
  ])('of %j', (code, line) => {
    expect(tellingLine(code)).toBe(line);
  });
});

describe('a text in one line', () => {
  it.each([
    ['  a\n\tb  ', 'a b'],
    ['a\u202eb\u2066c\u200bd\ufeffe\u0000f', 'abcdef'],
    ['\u001b[31mred\u001b[0m', 'red'],
    ['\ud800half', 'half'],
    ['\u{e0041}tag\u3164', 'tag'],
    [`z${'\u0301'.repeat(50)}`, `z${'\u0301'.repeat(4)}`],
    ['<script>alert(1)</script>', '<script>alert(1)</script>'],
    ['x'.repeat(80), 'x'.repeat(80)],
    ['x'.repeat(81), `${'x'.repeat(79)}…`],
    ['😀'.repeat(81), `${'😀'.repeat(79)}…`],
    [`${'x'.repeat(80)}   \n`, 'x'.repeat(80)],
    [`${' '.repeat(2000)}x`, '…'],
    [null, ''],
    [{ toString: 7 }, '']
  ])('of %j', (text, line) => {
    expect(plainLine(text)).toBe(line);
  });

  it('costs the same for a text of any length', () => {
    const line = plainLine('ab\u0301'.repeat(5_000_000), 10);
    expect(Array.from(line)).toHaveLength(10);
  });
});
