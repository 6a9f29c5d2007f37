import { describe, expect, it } from 'vitest';

import { messagesOf } from '../../src/model/messages';
import { SpanTree } from '../../src/model/tree';
import { start } from './events';

function added(...digests: string[]): object[] {
  return digests.map(digest => ({ role: 'user', digest }));
}

function told(tree: SpanTree, id: string): [string, string, number] {
  const { added: news, whole, missing } = messagesOf(tree.get(id)!);
  const [one, all] = [news, whole].map(list => list.map(message => message.digest).join(' '));
  return [one, all, missing];
}

const RUN = [
  start(0, 's1', null, 'run'),
  start(1, 's2', 's1', 'iteration'),
  start(2, 's3', 's2', 'model_call', { kept: 0, added: added('a', 'b') }),
  start(3, 's4', 's2', 'code'),
  start(4, 's5', 's4', 'run'),
  start(5, 's6', 's5', 'iteration'),
  start(6, 's7', 's6', 'model_call', { kept: 0, added: added('child') }),
  start(7, 's8', 's1', 'iteration'),
  start(8, 's9', 's8', 'model_call', { kept: 2, added: added('c', 'd') }),
  start(9, 's10', 's1', 'model_call', { kept: 1, added: added('sum'), purpose: 'compaction' }),
  start(10, 's11', 's8', 'model_call', { kept: 2, added: added('e') })
];

describe('the messages of a model call', () => {
  const tree = new SpanTree();
  tree.take(RUN);

  it.each([
    ['s3', 'a b', 'a b'],
    ['s7', 'child', 'child'],
    ['s9', 'c d', 'a b c d'],
    ['s10', 'sum', 'a sum'],
    ['s11', 'e', 'a sum e'],
    ['s4', '', '']
  ])('of %s are what it added to those that it kept', (id, news, whole) => {
    expect(told(tree, id)).toEqual([news, whole, 0]);
  });

  it('are known in part when an earlier call is missing', () => {
    const part = new SpanTree();
    part.take(RUN.filter(event => event.span_id !== 's3'));
    expect(told(part, 's9')).toEqual(['c d', 'c d', 2]);
    expect(told(part, 's10')).toEqual(['sum', 'sum', 1]);
    expect(told(part, 's11')).toEqual(['e', 'sum e', 1]);
    const later = new SpanTree();
    later.take(RUN.filter(event => event.span_id !== 's9'));
    later.take([start(20, 's20', 's8', 'model_call', { kept: 9, added: added('f') })]);
    expect(told(later, 's20')).toEqual(['f', 'f', 9]);
  });

  it('may be anything but messages', () => {
    const odd = new SpanTree();
    odd.take([
      start(0, 's1', null, 'run'),
      start(1, 's2', 's1', 'model_call', {
        kept: -4,
        added: [null, 'a', { role: 1 }, ...added('x')]
      }),
      start(2, 's3', 's1', 'model_call', { kept: 'all', added: 'many' }),
      start(3, 's4', 's1', 'model_call', { kept: 1e300, added: null })
    ]);
    expect(['s2', 's3', 's4'].map(id => told(odd, id))).toEqual([
      ['x', 'x', 0],
      ['', '', 0],
      ['', '', 0]
    ]);
  });
});
