import { describe, expect, it } from 'vitest';

import type { SpanEvent } from '../../src/api/types';
import { EVERYTHING, type Filter } from '../../src/model/filter';
import {
  GROUPING,
  type Row,
  type View,
  foldable,
  pathTo,
  rowOf,
  rowsOf
} from '../../src/model/rows';
import { SpanTree } from '../../src/model/tree';
import { chance, end, randomRun, reply, start } from './events';

interface Wish {
  expanded?: Record<string, boolean>;
  grouping?: number;
  filter?: Partial<Filter>;
}

function view({ expanded = {}, grouping = GROUPING, filter = {} }: Wish = {}): View {
  const chosen = new Map(Object.entries(expanded));
  return { expanded: chosen, grouping, filter: { ...EVERYTHING, ...filter } };
}

function lines(rows: Row[]): string[] {
  return rows.map(row => {
    const sign = !row.expandable ? ' ' : row.expanded ? '-' : '+';
    const name =
      row.type === 'span' ? row.span.id : `[${row.spans.map(span => span.id).join(' ')}]`;
    return `${'  '.repeat(row.depth)}${sign}${name}`;
  });
}

function shown(tree: SpanTree, wish: Wish = {}): string[] {
  return lines(rowsOf(tree, view(wish)));
}

/** A run whose code asked a batch of ten (c0 to c9, of which c3 failed) and two child runs. */
function sketch(more: SpanEvent[] = []): SpanTree {
  const tree = new SpanTree();
  tree.take([
    start(0, 's1', null, 'run'),
    start(1, 's2', 's1', 'iteration'),
    start(2, 's3', 's2', 'model_call'),
    reply(3, 's3', 'model_call', 1, 1, 1),
    start(4, 's4', 's2', 'code')
  ]);
  for (let slot = 0; slot < 10; slot++) {
    const id = `c${slot}`;
    tree.take([
      start(10 + 2 * slot, id, 's4', 'subcall', { batch: 'b1', index: slot }),
      end(11 + 2 * slot, id, 'subcall', slot === 3 ? 'error' : 'ok')
    ]);
  }
  for (const [at, id] of [
    [40, 'done'],
    [50, 'busy']
  ] as const) {
    tree.take([
      start(at, id, 's4', 'run', { depth: 1 }),
      start(at + 1, `${id}-1`, id, 'iteration'),
      start(at + 2, `${id}-call`, `${id}-1`, 'model_call')
    ]);
  }
  tree.take([
    end(43, 'done-call', 'model_call'),
    end(44, 'done-1', 'iteration'),
    end(45, 'done', 'run'),
    ...more
  ]);
  return tree;
}

const GROUP = '+["s4","subcall","b1","small"]';

describe('the rows of a run', () => {
  it('are none without a run', () => {
    expect(shown(new SpanTree())).toEqual([]);
    expect(rowOf(new SpanTree(), [], 's1')).toBe(-1);
  });

  it('show at first the root level, what failed and what runs', () => {
    expect(shown(sketch())).toEqual([
      '-s1',
      '  -s2',
      '     s3',
      '    -s4',
      '      +[c0 c1 c2 c4 c5 c6 c7 c8 c9]',
      '       c3',
      '      +done',
      '      -busy',
      '        -busy-1',
      '           busy-call'
    ]);
  });

  it('fold a child run when it ends, and leave it open when it failed', () => {
    const ends = (status: string) => [
      end(60, 'busy-call', 'model_call', status),
      end(61, 'busy-1', 'iteration'),
      end(62, 'busy', 'run', status)
    ];
    expect(shown(sketch(ends('ok'))).at(-1)).toBe('      +busy');
    expect(shown(sketch(ends('error'))).slice(-3)).toEqual([
      '      -busy',
      '        -busy-1',
      '           busy-call'
    ]);
  });

  it('are as the user chose', () => {
    const expanded = { s4: true, [GROUP]: true, busy: false, done: true };
    expect(shown(sketch(), { expanded }).slice(4)).toEqual([
      '      -[c0 c1 c2 c4 c5 c6 c7 c8 c9]',
      ...[0, 1, 2, 4, 5, 6, 7, 8, 9].map(slot => `         c${slot}`),
      '       c3',
      '      -done',
      '        +done-1',
      '      +busy'
    ]);
    expect(shown(sketch(), { expanded: { s1: false } })).toEqual(['+s1']);
  });

  it('know their place', () => {
    const rows = rowsOf(sketch(), view());
    expect(rows.map(row => [row.key, row.parent, row.place, row.of])).toEqual([
      ['s1', null, 1, 1],
      ['s2', 's1', 1, 1],
      ['s3', 's2', 1, 2],
      ['s4', 's2', 2, 2],
      [GROUP, 's4', 1, 4],
      ['c3', 's4', 2, 4],
      ['done', 's4', 3, 4],
      ['busy', 's4', 4, 4],
      ['busy-1', 'busy', 1, 1],
      ['busy-call', 'busy-1', 1, 1]
    ]);
    const members = rowsOf(sketch(), view({ expanded: { [GROUP]: true } })).slice(5, 7);
    expect(members).toMatchObject([
      { key: 'c0', parent: GROUP, depth: 4, place: 1, of: 9 },
      { key: 'c1', parent: GROUP, depth: 4, place: 2, of: 9 }
    ]);
  });

  it.each([
    [11, 11],
    [0, 11],
    [NaN, 11],
    [Infinity, 11],
    [10, 3]
  ])('put calls together from %d on', (grouping, count) => {
    const calls = rowsOf(sketch(), view({ grouping })).filter(row => row.parent === 's4');
    expect(calls.filter(row => row.key !== 'done')).toHaveLength(count);
  });

  it('are as many as there are spans when all is unfolded', () => {
    const tree = new SpanTree();
    tree.take(randomRun(300, chance(5)));
    const keys = foldable(tree, view({ grouping: 0 }));
    const expanded = Object.fromEntries(keys.map(key => [key, true]));
    const rows = rowsOf(tree, view({ grouping: 0, expanded }));
    expect(rows).toHaveLength(300);
    expect(rows.filter(row => row.expandable).map(row => row.key)).toEqual(keys);
    expect(rows.every(row => row.expanded === row.expandable)).toBe(true);
  });

  it('name what can be unfolded, wherever it is', () => {
    const keys = ['s1', 's2', 's4', GROUP, 'done', 'done-1', 'busy', 'busy-1'];
    expect(foldable(sketch(), view({ expanded: { s1: false } }))).toEqual(keys);
  });

  it('can be nested as deep as they like', () => {
    const tree = new SpanTree();
    const events: SpanEvent[] = [start(0, 's1', null, 'run')];
    for (let number = 2; number <= 100_000; number++) {
      events.push(start(number, `s${number}`, `s${number - 1}`, 'code'));
    }
    tree.take(events);
    const rows = rowsOf(tree, view({ filter: { hits: new Set(['s100000']) } }));
    expect(rows).toHaveLength(100_000);
    expect(rowOf(tree, rows, 's100000')).toBe(99_999);
    expect(pathTo(tree, view({ expanded: { s7: false } }), 's100000')).toEqual(['s7']);
  }, 60_000);
});

describe('a filter', () => {
  it('leaves the matches and what contains them, whatever is folded', () => {
    const filter = { hits: new Set(['c5', 'done-call', 'gone']) };
    expect(shown(sketch(), { filter, expanded: { s1: false, done: false } })).toEqual([
      '-s1',
      '  -s2',
      '    -s4',
      '       c5',
      '      -done',
      '        -done-1',
      '           done-call'
    ]);
  });

  it('unfolds the groups of what a search found', () => {
    const hits = new Set(['c0', 'c1', 'c2', 'c4', 'c5', 'c6', 'c7', 'c8']);
    const rows = shown(sketch(), { filter: { hits }, expanded: { [GROUP]: false } });
    expect(rows.slice(3)).toEqual([
      '      -[c0 c1 c2 c4 c5 c6 c7 c8]',
      ...[0, 1, 2, 4, 5, 6, 7, 8].map(slot => `         c${slot}`)
    ]);
  });

  it('leaves groups as they are that consist of matches', () => {
    const filter = { kinds: new Set(['subcall'] as const) };
    const rows = ['-s1', '  -s2', '    -s4', '      +[c0 c1 c2 c4 c5 c6 c7 c8 c9]', '       c3'];
    expect(shown(sketch(), { filter })).toEqual(rows);
    expect(shown(sketch(), { filter, expanded: { [GROUP]: true } })).toHaveLength(14);
  });

  it('unfolds groups of child runs for what is in them', () => {
    const tree = sketch();
    for (let number = 0; number < 8; number++) {
      tree.take([
        start(100 + 2 * number, `r${number}`, 's4', 'run', { batch: 'b2', index: number }),
        start(101 + 2 * number, `i${number}`, `r${number}`, 'iteration')
      ]);
    }
    expect(shown(tree).at(-1)).toBe('      +[r0 r1 r2 r3 r4 r5 r6 r7]');
    const filter = { kinds: new Set(['iteration'] as const) };
    expect(shown(tree, { filter }).slice(-3)).toEqual([
      '           i6',
      '        -r7',
      '           i7'
    ]);
  });

  it.each<[string, Partial<Filter>, string[]]>([
    ['statuses', { statuses: new Set(['error'] as const) }, ['s1', 's2', 's4', 'c3']],
    ['models', { models: new Set(['other']) }, []],
    [
      'all that it asks for',
      { kinds: new Set(['model_call'] as const), statuses: new Set(['running'] as const) },
      ['s1', 's2', 's4', 'busy', 'busy-1', 'busy-call']
    ]
  ])('asks for %s', (_, filter, keys) => {
    expect(rowsOf(sketch(), view({ filter })).map(row => row.key)).toEqual(keys);
  });
});

describe('the way to a span', () => {
  it.each([
    ['s3', {}, []],
    ['c5', {}, [GROUP]],
    ['c3', {}, []],
    ['done-call', {}, ['done', 'done-1']],
    ['done-call', { s1: false, s4: false }, ['s1', 's4', 'done', 'done-1']],
    ['nowhere', {}, []]
  ])('%s unfolds what is folded', (id, expanded: Record<string, boolean>, keys) => {
    const tree = sketch();
    expect(pathTo(tree, view({ expanded }), id)).toEqual(keys);
    const unfolded = { ...expanded, ...Object.fromEntries(keys.map(key => [key, true])) };
    const rows = rowsOf(tree, view({ expanded: unfolded }));
    expect(rows.some(row => row.key === id)).toBe(id !== 'nowhere');
  });

  it('leads through groups of child runs', () => {
    const tree = sketch();
    for (let number = 0; number < 8; number++) {
      tree.take([
        start(100 + 2 * number, `r${number}`, 's4', 'run', { batch: 'b2', index: number }),
        start(101 + 2 * number, `i${number}`, `r${number}`, 'iteration')
      ]);
    }
    const keys = ['+["s4","run","b2","root-model"]', 'r6'];
    expect(pathTo(tree, view(), 'i6')).toEqual(keys);
    const expanded = Object.fromEntries(keys.map(key => [key, true]));
    expect(pathTo(tree, view({ expanded }), 'i6')).toEqual([]);
    expect(rowsOf(tree, view({ expanded })).some(row => row.key === 'i6')).toBe(true);
  });

  it('ends at the row that stands for a span', () => {
    const tree = sketch();
    const rows = rowsOf(tree, view());
    const found = ['s1', 'c5', 'c3', 'done-call', 'busy-call', 'nowhere'].map(id => {
      return rows[rowOf(tree, rows, id)]?.key;
    });
    expect(found).toEqual(['s1', GROUP, 'c3', 'done', 'busy-call', undefined]);
    const open = rowsOf(tree, view({ expanded: { [GROUP]: true } }));
    expect(open[rowOf(tree, open, 'c5')].key).toBe('c5');
  });
});
