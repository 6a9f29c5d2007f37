import { describe, expect, it } from 'vitest';

import { Scale } from '../../src/model/clock';
import {
  type Group,
  Groupings,
  barOf,
  bars,
  grouped,
  isGroup,
  spanOfAll,
  timeOfAll,
  usageOfAll
} from '../../src/model/groups';
import type { Span } from '../../src/model/span';
import { SpanTree } from '../../src/model/tree';
import { chance, end, reply, start } from './events';

/** Return spans below one code span: each of a kind, what it starts with, and how it ended. */
function spansOf(...wanted: [Span['kind'], Record<string, unknown>, string | null][]): Span {
  const tree = new SpanTree();
  tree.take([start(0, 's1', null, 'code')]);
  wanted.forEach(([kind, payload, status], index) => {
    tree.take([start(2 * index + 1, `c${index}`, 's1', kind, payload)]);
    tree.take(status === null ? [] : [end(2 * index + 2, `c${index}`, kind, status)]);
  });
  return tree.root!;
}

/** Return spans of these times; of null, those that run. */
function timed(...times: [number, number | null, string?][]): Span[] {
  const tree = new SpanTree();
  tree.take([start(0, 's1', null, 'run')]);
  times.forEach(([from, to, status = 'ok'], index) => {
    const id = `c${index}`;
    tree.take([start(2 * index + 1, id, 's1', 'subcall', {}, from)]);
    tree.take(to === null ? [] : [end(2 * index + 2, id, 'subcall', status, {}, to)]);
  });
  return tree.root!.children;
}

function names(parent: Span, atLeast: number): string[] {
  return grouped(parent, parent.children, atLeast).map(item => {
    const failed = isGroup(item) && item.failed ? '!' : '';
    return isGroup(item) ? `${item.spans.map(span => span.id).join(' ')}${failed}` : item.id;
  });
}

describe('calls are put together', () => {
  it('when they are of one batch, or of one model outside of batches', () => {
    const parent = spansOf(
      ['subcall', { batch: 'b1' }, 'ok'],
      ['subcall', {}, 'ok'],
      ['subcall', { batch: 'b1' }, null],
      ['code', {}, 'ok'],
      ['subcall', {}, 'limit'],
      ['subcall', { batch: 'b1', model: 'other' }, 'ok'],
      ['run', { batch: 'b1', model: 'small' }, 'ok'],
      ['run', { batch: 'b1', model: 'small' }, null]
    );
    expect(names(parent, 2)).toEqual(['c0 c2', 'c1 c4', 'c3', 'c5', 'c6 c7']);
    expect(names(parent, 3)).toEqual(['c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7']);
  });

  it('but failed ones stand by themselves, unless they are as many', () => {
    const call = (status: string | null): [Span['kind'], object, string | null] => [
      'subcall',
      {},
      status
    ];
    const some = spansOf(...((['ok', 'error', null, 'ok'] as const).map(call) as never[]));
    expect(names(some, 4)).toEqual(['c0 c2 c3', 'c1']);
    expect(names(some, 5)).toEqual(['c0', 'c1', 'c2', 'c3']);
    const most = spansOf(
      ...((['error', 'ok', 'error', 'error', 'ok'] as const).map(call) as never[])
    );
    expect(names(most, 3)).toEqual(['c0 c2 c3!', 'c1 c4']);
    const alone = spansOf(...((['error', 'ok', 'error'] as const).map(call) as never[]));
    expect(names(alone, 3)).toEqual(['c0', 'c1', 'c2']);
  });

  it('and counted together', () => {
    const tree = new SpanTree();
    tree.take([
      start(0, 's1', null, 'code'),
      start(1, 'c1', 's1', 'subcall'),
      start(2, 'c2', 's1', 'subcall'),
      reply(3, 'c1', 'subcall', 10, 1, 0.25),
      start(4, 'c3', 's1', 'subcall')
    ]);
    const spans = tree.root!.children;
    expect(usageOfAll(spans)).toMatchObject({ inputTokens: 10, calls: 1, cost: 0.25 });
    expect(timeOfAll(spans, 5)).toBe(2 + 3 + 1);
    expect([spanOfAll([], 5), spanOfAll([spans[0]], 5)]).toEqual([0, 2]);
  });
});

describe('what stands below a span', () => {
  it('is the same however it came to be', () => {
    const random = chance(11);
    for (let round = 0; round < 40; round++) {
      const tree = new SpanTree();
      const groupings = new Groupings();
      tree.take([start(0, 's1', null, 'code')]);
      const open: string[] = [];
      for (let seq = 1; seq < 60; seq++) {
        const ends = open.length > 0 && random() < 0.4;
        if (ends) {
          const [id] = open.splice(Math.floor(random() * open.length), 1);
          tree.take([end(1000 + seq, id, 'subcall', random() < 0.2 ? 'error' : 'ok')]);
        } else {
          // Now and then one comes late.
          const place = random() < 0.1 ? seq - 0.5 - Math.floor(random() * seq) : seq;
          open.push(`c${seq}`);
          const model = random() < 0.5 ? 'small' : 'large';
          tree.take([start(place, `c${seq}`, 's1', 'subcall', { model })]);
        }
        const root = tree.root!;
        expect(groupings.below(root, 5)).toEqual(grouped(root, root.children, 5));
      }
    }
  });

  it('stays as it is while its children do, and what was given out is not changed', () => {
    const tree = new SpanTree();
    const groupings = new Groupings();
    tree.take([start(0, 's1', null, 'code')]);
    const calls = (from: number, count: number) =>
      Array.from({ length: count }, (_, at) => start(from + at, `c${from + at}`, 's1', 'subcall'));
    tree.take(calls(1, 9));
    const before = groupings.below(tree.root!, 8);
    tree.take([end(50, 'c1', 'subcall')]);
    expect(groupings.below(tree.root!, 8)).toBe(before);
    tree.take(calls(10, 1));
    const after = groupings.below(tree.root!, 8);
    expect([before, after].map(([group]) => (group as Group).spans.length)).toEqual([9, 10]);
  });
});

describe('bars', () => {
  const scale = new Scale(0, 10);

  it('of one span reach from its start to its end, or to now', () => {
    const [done, failed, running, outside] = timed([2, 4], [1, 1, 'error'], [8, null], [-5, 99]);
    expect(barOf(done, scale)).toEqual({ left: 0.2, width: 0.2, weight: 1, kind: 'ok' });
    expect(barOf(failed, scale)).toEqual({ left: 0.1, width: 0, weight: 1, kind: 'error' });
    expect(barOf(running, scale)).toMatchObject({ left: 0.8, kind: 'running' });
    expect(barOf(outside, scale)).toMatchObject({ left: 0, width: 1 });
  });

  it('of many show how many ran at once', () => {
    const spans = timed([0, 4], [2, 4], [3, 4], [6, 8, 'error'], [9, null]);
    expect(
      bars(spans, scale, 10).map(({ left, width, weight, kind }) => {
        return [left, width, weight, kind].map(it =>
          typeof it === 'number' ? +it.toFixed(3) : it
        );
      })
    ).toEqual([
      [0, 0.2, 0.333, 'ok'],
      [0.2, 0.1, 0.667, 'ok'],
      [0.3, 0.1, 1, 'ok'],
      [0.6, 0.2, 0.333, 'error'],
      [0.9, 0.1, 0.333, 'running']
    ]);
  });

  it('are at most as many as there is room for, and lie inside', () => {
    const random = chance(3);
    const spans = timed(
      ...Array.from({ length: 10_000 }, (): [number, number | null] => {
        const from = random() * 12 - 1;
        return [from, random() < 0.1 ? null : from + random() / 100];
      })
    );
    for (const bins of [1, 7, 60, 0, NaN, -3]) {
      const found = bars(spans, scale, bins);
      expect(found.length).toBeLessThanOrEqual(Math.max(1, bins || 1));
      for (const { left, width, weight } of found) {
        expect(left).toBeGreaterThanOrEqual(0);
        expect(left + width).toBeLessThanOrEqual(1 + 1e-9);
        expect(weight).toBeGreaterThan(0);
        expect(weight).toBeLessThanOrEqual(1);
      }
    }
  });

  it('are there even where nothing took any time', () => {
    expect(bars(timed([10, 10]), scale, 5)).toMatchObject([{ left: 0.8, weight: 1 }]);
    expect(bars(timed([3, 3]), new Scale(3, 3), 5)).toHaveLength(1);
    expect(bars([], scale, 5)).toEqual([]);
  });
});
