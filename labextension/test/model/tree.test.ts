import { describe, expect, it } from 'vitest';

import type { SpanEvent } from '../../src/api/types';
import { type Span, selfTime, totalTime, walk } from '../../src/model/span';
import { SpanTree } from '../../src/model/tree';
import { chance, end, randomRun, reply, shuffled, start } from './events';

function treeOf(events: readonly SpanEvent[]): SpanTree {
  const tree = new SpanTree();
  tree.take(events);
  return tree;
}

function outline(tree: SpanTree): string[] {
  const spans = tree.root === null ? [] : [...walk(tree.root)];
  return spans.map(span => `${' '.repeat(span.depth)}${span.id} ${span.status}`);
}

function told(tree: SpanTree): unknown {
  const spans = tree.root === null ? [] : [...walk(tree.root)];
  return {
    spans: spans.map(({ id, depth, level, started, ended, status, usage, failures }) => {
      return { id, depth, level, started, ended, status, usage: { ...usage }, failures };
    }),
    counts: tree.counts,
    size: tree.size,
    orphans: tree.orphans,
    lastTime: tree.lastTime,
    models: [...tree.models].sort(),
    errors: tree.errors.map(span => span.id),
    newest: tree.newestRunning()?.id
  };
}

const RUN: SpanEvent[] = [
  start(0, 's1', null, 'run'),
  start(1, 's2', 's1', 'iteration'),
  start(2, 's3', 's2', 'model_call'),
  reply(3, 's3', 'model_call', 100, 10, 0.5),
  start(4, 's4', 's2', 'code'),
  start(5, 's5', 's4', 'subcall', { batch: 'b1', index: 0 }),
  start(6, 's6', 's4', 'subcall', { batch: 'b1', index: 1 }),
  start(7, 's7', 's4', 'run', { model: 'child-model' }),
  reply(8, 's5', 'subcall', 7, 3, null),
  start(9, 's8', 's7', 'iteration'),
  end(10, 's6', 'subcall', 'error', { error: { name: 'APIError', message: '429' } })
];

describe('a tree of spans', () => {
  it('is what the events tell', () => {
    const tree = treeOf(RUN);
    expect(outline(tree)).toEqual([
      's1 running',
      ' s2 running',
      '  s3 ok',
      '  s4 running',
      '   s5 ok',
      '   s6 error',
      '   s7 running',
      '    s8 running'
    ]);
    expect(tree.counts).toEqual({
      subcalls: { all: 2, running: 0, ok: 1, failed: 1, stopped: 0 },
      children: { all: 1, running: 1, ok: 0, failed: 0, stopped: 0 },
      iterations: 1
    });
    expect(tree.root!.usage).toEqual({
      inputTokens: 107,
      outputTokens: 13,
      cachedTokens: 0,
      calls: 3,
      unpriced: 2,
      uncounted: 1,
      cost: 0.5,
      cachedCalls: 0
    });
    expect(tree.get('s4')!.usage.calls).toBe(2);
    expect(tree.errors.map(span => span.id)).toEqual(['s6']);
    expect(tree.newestRunning()!.id).toBe('s8');
    expect([...tree.models]).toEqual(['root-model', 'small', 'child-model']);
    expect(tree.lastTime).toBe(10);
  });

  it('takes each event once and says how many were new', () => {
    const tree = new SpanTree();
    expect(tree.take(RUN.slice(0, 6))).toBe(6);
    const { version } = tree;
    expect(tree.take(RUN.slice(0, 6))).toBe(0);
    expect(tree.version).toBe(version);
    expect(tree.take(RUN)).toBe(5);
    expect(tree.version).toBeGreaterThan(version);
    expect(told(tree)).toEqual(told(treeOf(RUN)));
  });

  it('keeps an end before its start and a child before its parent until they fit', () => {
    const tree = new SpanTree();
    tree.take([RUN[4], RUN[5], RUN[8], RUN[1]]);
    expect([tree.root, tree.size, tree.orphans]).toEqual([null, 0, 3]);
    expect(tree.get('s5')).toBeUndefined();
    tree.take([RUN[0]]);
    expect(outline(tree)).toEqual(['s1 running', ' s2 running', '  s4 running', '   s5 ok']);
    expect(tree.root!.usage.inputTokens).toBe(7);
  });

  it('names the failed spans that contain no failed span, in the order of the tree', () => {
    const tree = treeOf([
      start(0, 's1', null, 'run'),
      start(1, 's2', 's1', 'iteration'),
      start(2, 's3', 's1', 'iteration'),
      start(3, 's4', 's3', 'code'),
      start(4, 's5', 's2', 'code'),
      end(5, 's4', 'code', 'error'),
      end(6, 's3', 'iteration', 'error'),
      end(7, 's5', 'code', 'error')
    ]);
    expect(tree.errors.map(span => span.id)).toEqual(['s5', 's4']);
    tree.take([end(8, 's2', 'iteration'), end(9, 's1', 'run', 'error')]);
    expect(tree.errors.map(span => span.id)).toEqual(['s5', 's4']);
    expect(tree.root!.failures).toBe(4);
  });

  it('is cleared and taken anew', () => {
    const tree = treeOf(RUN);
    tree.clear();
    expect([tree.root, tree.size, tree.lastTime, tree.errors.length]).toEqual([null, 0, 0, 0]);
    tree.take(RUN);
    expect(told(tree)).toEqual(told(treeOf(RUN)));
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('is the same in any order of arrival (%i)', seed => {
    const random = chance(seed);
    const events = randomRun(60, random);
    const expected = told(treeOf(events));
    const tree = new SpanTree();
    const mixed = shuffled([...events, ...events.slice(20, 50)], random);
    while (mixed.length > 0) {
      tree.take(mixed.splice(0, 1 + Math.floor(random() * 9)));
    }
    expect(told(tree)).toEqual(expected);
  });

  it.each([11, 12, 13, 14])('adds up what a plain sum over all spans does (%i)', seed => {
    const tree = treeOf(shuffled(randomRun(200, chance(seed)), chance(seed + 1)));
    for (const span of walk(tree.root!)) {
      const calls = [...walk(span)].filter(each => ['model_call', 'subcall'].includes(each.kind));
      const input = calls.map(each => (each.end!.payload as never)['usage']['input_tokens']);
      expect(span.usage.calls).toBe(calls.length);
      expect(span.usage.inputTokens).toBe(input.reduce((sum: number, one: number) => sum + one, 0));
      expect(span.failures).toBe([...walk(span)].filter(each => each.status === 'error').length);
    }
  });
});

describe('when nothing more is to be expected', () => {
  const LOST = [
    start(0, 's1', null, 'run'),
    start(1, 's2', 's1', 'iteration'),
    start(5, 's6', 's5', 'subcall'),
    start(6, 's7', 's6', 'code'),
    reply(7, 's6', 'subcall', 1, 1, 1),
    end(8, 's1', 'run')
  ];

  it('hangs what was kept aside below the root, and ends what has no end', () => {
    const tree = treeOf(LOST);
    expect(outline(tree)).toEqual(['s1 ok', ' s2 running']);
    expect(tree.adopt()).toBe(4);
    expect(outline(tree)).toEqual(['s1 ok', ' s2 interrupted', ' s6 ok', '  s7 interrupted']);
    expect([tree.orphans, tree.root!.usage.calls, tree.newestRunning()]).toEqual([0, 1, null]);
    expect(tree.adopt()).toBe(0);
  });

  it('puts it where it belongs when the parent comes all the same', () => {
    const tree = treeOf(LOST);
    tree.adopt();
    const [seven, six] = [tree.get('s7'), tree.get('s6')];
    tree.take([start(4, 's5', 's2', 'code'), end(9, 's2', 'iteration')]);
    expect(outline(tree)).toEqual([
      's1 ok',
      ' s2 ok',
      '  s5 interrupted',
      '   s6 ok',
      '    s7 interrupted'
    ]);
    expect([tree.get('s7'), tree.get('s6')]).toEqual([seven, six]);
    expect([tree.root!.usage.calls, tree.counts.subcalls.all, tree.size]).toEqual([1, 1, 5]);
  });

  it('breaks a circle of parents at its first span', () => {
    const tree = treeOf([
      start(0, 's1', null, 'run'),
      start(1, 'a', 'c', 'code'),
      start(2, 'b', 'a', 'code'),
      start(3, 'c', 'b', 'code'),
      start(4, 'self', 'self', 'code')
    ]);
    expect([tree.size, tree.orphans]).toEqual([1, 4]);
    tree.adopt();
    expect(outline(tree).map(line => line.split(' running')[0])).toEqual([
      's1',
      ' a',
      '  b',
      '   c',
      ' self'
    ]);
  });
});

describe('hostile events', () => {
  it('are passed over, or shown as far as they can be', () => {
    const odd = [
      null,
      7,
      'start',
      {},
      { event: 'start' },
      { event: 'start', span_id: 's9', payload: null },
      { event: 'start', span_id: 's9', payload: { kind: 'dream' } },
      { event: 'end', span_id: 4 },
      { event: 'blob', digest: 'd' },
      { event: 'end', span_id: 's1', ended: 'late', status: 'fine', payload: 'text' },
      {
        event: 'start',
        span_id: 's2',
        parent_id: 7,
        seq: NaN,
        started: NaN,
        payload: { kind: 'code' }
      },
      {
        event: 'start',
        span_id: '__proto__',
        parent_id: 's1',
        seq: 3,
        payload: { kind: 'subcall' }
      },
      {
        event: 'end',
        span_id: '__proto__',
        ended: -5,
        payload: { kind: 'subcall', usage: 'much', retries: {} }
      }
    ];
    const tree = treeOf([...(odd as unknown as SpanEvent[]), start(0, 's1', 's2', 'run', {}, 50)]);
    expect(outline(tree)).toEqual(['s1 error', ' __proto__ error', ' s2 running']);
    expect(tree.root).toMatchObject({ started: 50, ended: 50, error: null });
    expect(tree.get('s2')).toMatchObject({ started: 50, model: null, batch: null });
    expect(tree.get('__proto__')).toMatchObject({ started: 50, ended: 50 });
    expect(tree.get('__proto__')!.usage).toMatchObject({ calls: 1, unpriced: 1, cost: 0 });
  });

  it('are of unknown price where a request was lost and sent again', () => {
    const tree = treeOf([
      start(0, 's1', null, 'run'),
      start(1, 's2', 's1', 'subcall'),
      end(2, 's2', 'subcall', 'ok', { usage: { cost: 0.5 }, retries: 2, lost: 2 })
    ]);
    expect(tree.root!.usage).toMatchObject({ calls: 3, unpriced: 2, cost: 0.5 });
  });

  it('do not make numbers of tokens that cannot be', () => {
    const tree = treeOf([
      start(0, 's1', null, 'run'),
      start(1, 's2', 's1', 'subcall'),
      start(2, 's3', 's1', 'subcall'),
      reply(3, 's2', 'subcall', -5, 1e300, Infinity),
      reply(4, 's3', 'subcall', NaN, 4, -1)
    ]);
    const usage = { calls: 2, unpriced: 2, uncounted: 1, inputTokens: 0, outputTokens: 4, cost: 0 };
    expect(tree.root!.usage).toMatchObject(usage);
  });

  it('may be nested as deep as they like', () => {
    const events: SpanEvent[] = [start(0, 's1', null, 'run')];
    for (let number = 2; number <= 100_000; number++) {
      events.push(start(number, `s${number}`, `s${number - 1}`, 'subcall'));
      events.push(end(number, `s${number}`, 'subcall', 'error'));
    }
    for (const order of [events, [...events].reverse()]) {
      const tree = treeOf(order);
      expect([tree.size, tree.root!.failures, tree.root!.usage.calls]).toEqual([
        100_000, 99_999, 99_999
      ]);
      expect(tree.errors.map(span => span.id)).toEqual(['s100000']);
    }
  }, 60_000);
});

describe('time', () => {
  const tree = treeOf([
    start(0, 's1', null, 'run', {}, 100),
    start(1, 's2', 's1', 'subcall', {}, 102),
    start(2, 's3', 's1', 'subcall', {}, 101),
    start(3, 's4', 's1', 'subcall', {}, 106),
    start(4, 's5', 's1', 'subcall', {}, 90),
    end(5, 's2', 'subcall', 'ok', {}, 104),
    end(6, 's3', 'subcall', 'ok', {}, 103),
    end(7, 's5', 'subcall', 'ok', {}, 80)
  ]);
  const at = (id: string): Span => tree.get(id)!;

  it('of a span is that until its end, or until now', () => {
    expect(totalTime(at('s1'), 110)).toBe(10);
    expect(totalTime(at('s1'), 90)).toBe(0);
    expect(totalTime(at('s2'), 110)).toBe(2);
    expect(totalTime(at('s5'), 110)).toBe(0);
  });

  it('of itself is that which no child covers, whatever runs at the same time', () => {
    // Children cover 101 to 104, and 106 to now.
    expect(selfTime(at('s1'), 110)).toBe(3);
    expect(selfTime(at('s2'), 110)).toBe(2);
  });
});
