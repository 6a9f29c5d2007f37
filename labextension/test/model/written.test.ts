import { describe, expect, it } from 'vitest';

import type { SpanEvent } from '../../src/api/types';
import { SpanTree } from '../../src/model/tree';
import { chance, end, piece, reply, shuffled, start } from './events';

const RUN: SpanEvent[] = [
  start(0, 's1', null, 'run'),
  start(1, 's2', 's1', 'iteration'),
  start(2, 's3', 's2', 'model_call')
];

function treeOf(...events: SpanEvent[]): SpanTree {
  const tree = new SpanTree();
  tree.take([...RUN, ...events]);
  return tree;
}

describe('a reply that is being written', () => {
  it('grows with its pieces, each of which counts once', () => {
    const tree = treeOf(piece(3, 's3', 'The '));
    const before = tree.version;
    expect(tree.take([piece(3, 's3', 'The ')])).toBe(0);
    expect(tree.version).toBe(before);
    expect(tree.take([piece(4, 's3', 'walrus')])).toBe(1);
    expect(tree.version).toBeGreaterThan(before);
    expect(tree.get('s3')!.text).toBe('The walrus');
  });

  it('is the same in whatever order they come', () => {
    const events = [
      piece(3, 's3', 'lost'),
      piece(5, 's3', '', true),
      piece(6, 's3', 'The '),
      piece(7, 's3', 'walrus')
    ];
    const random = chance(7);
    for (let round = 0; round < 20; round++) {
      const tree = new SpanTree();
      shuffled([...RUN, ...events], random).forEach(event => tree.take([event]));
      expect(tree.get('s3')!.text).toBe('The walrus');
    }
  });

  it('is begun anew', () => {
    const tree = treeOf(piece(3, 's3', 'The wal'), piece(4, 's3', '', true));
    expect(tree.get('s3')!.text).toBe('');
    tree.take([piece(5, 's3', 'A seal')]);
    expect(tree.get('s3')!.text).toBe('A seal');
  });

  it('gives way to the whole, and stays where there is none', () => {
    const whole = treeOf(
      piece(3, 's3', 'The '),
      end(4, 's3', 'model_call', 'ok', { reply: 'digest' })
    );
    expect(whole.get('s3')!.text).toBe('');
    const killed = treeOf(piece(3, 's3', 'The '), end(4, 's3', 'model_call', 'interrupted'));
    expect(killed.get('s3')!.text).toBe('The ');
  });

  it('is not made of what is no piece', () => {
    const odd = [{ seq: '4' }, { text: 7 }, { span_id: null }].map(field => ({
      ...piece(4, 's3', 'odd'),
      ...field
    }));
    const tree = treeOf(piece(3, 's3', 'The '));
    expect(tree.take(odd as unknown as SpanEvent[])).toBe(0);
    expect(tree.get('s3')!.text).toBe('The ');
  });
});

describe('a reply from a recording', () => {
  it('takes neither tokens nor money, and is counted by itself', () => {
    const tree = treeOf(
      reply(3, 's3', 'model_call', 100, 10, 0.5),
      start(4, 's4', 's2', 'code'),
      start(5, 's5', 's4', 'subcall'),
      end(6, 's5', 'subcall', 'ok', {
        cached: true,
        usage: { input_tokens: 900, output_tokens: 90, cost: 7 },
        retries: 0
      })
    );
    expect(tree.root!.usage).toMatchObject({
      inputTokens: 100,
      outputTokens: 10,
      calls: 1,
      cost: 0.5,
      cachedCalls: 1
    });
  });
});
