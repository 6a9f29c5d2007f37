import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { Run, RunInFull, SpanEvent } from '../../src/api/types';
import { PanelModel } from '../../src/model/panel';
import { ScriptedSpans } from '../scripted_server';
import { run, runInFull, setPage, stage, type Stage, until } from '../stage';
import { end, start } from './events';

const DONE: SpanEvent[] = [
  start(0, 's1', null, 'run'),
  start(1, 'i1', 's1', 'iteration'),
  start(2, 'code', 'i1', 'code'),
  start(3, 'child', 'code', 'run'),
  start(4, 'deep', 'child', 'subcall'),
  end(5, 'deep', 'subcall', 'error'),
  end(6, 'child', 'run'),
  start(7, 'late', 'code', 'subcall'),
  end(8, 'late', 'subcall', 'error'),
  end(9, 'code', 'code'),
  end(10, 'i1', 'iteration'),
  end(11, 's1', 'run')
];

let it: Stage;
let runs: Run[];
let steered: RunInFull['steered'];
let panel: PanelModel;
const spans = new Map<string, ScriptedSpans>();

beforeEach(async () => {
  it = await stage();
  runs = [];
  steered = null;
  spans.clear();
  it.server.on('GET', 'sessions', { sessions: [], next: null });
  it.server.on('GET', 'runs', ({ query }) => ({
    runs: runs.filter(({ notebook }) => notebook === query.get('notebook')),
    next: null
  }));
  it.server.on('GET', 'runs/*', ({ path }) => {
    const id = path.split('/')[1];
    return { ...runInFull(runs.find(({ run_id }) => run_id === id)!), steered, ...standing(id) };
  });
  it.server.on('GET', 'runs/*/spans', request =>
    spans.get(request.path.split('/')[1])!.answer(request)
  );
  panel = new PanelModel(it);
  panel.setVisible(true);
});

afterEach(async () => {
  vi.useRealTimers();
  panel.dispose();
  setPage('visible');
  await it.close();
});

function standing(id: string): Partial<Run> {
  const { status, whole, last_seq } = spans.get(id)!;
  return { status, whole, last_seq };
}

/** Puts a run on top of the list; one that is over has these events. */
function add(id: string, events: SpanEvent[] | null, notebook = 'a.ipynb'): void {
  const made = new ScriptedSpans(id, events ?? [start(0, 's1', null, 'run')]);
  Object.assign(made, events === null ? {} : { status: 'ok', whole: true });
  spans.set(id, made);
  runs = [{ ...run(id, { notebook }), ...standing(id) }, ...runs];
}

function announce(action: 'began' | 'advanced', id: string, notebook = 'a.ipynb'): void {
  it.server.announce({ kind: 'run', action, run_id: id, notebook, ...standing(id) });
}

function keys(): string[] {
  return panel.rows().map(({ key }) => key);
}

test('a notebook opens at its last run, and later at the run that was looked at', async () => {
  add('first', DONE);
  add('last', DONE);
  add('other', DONE, 'b.ipynb');
  panel.setNotebook('a.ipynb', 'k');
  await until(() => panel.run?.state === 'over');
  expect(panel.run!.runId).toBe('last');
  panel.openRun('first');
  panel.setNotebook('b.ipynb', 'k2');
  await until(() => panel.run?.runId === 'other');
  panel.setNotebook('a.ipynb', 'k');
  expect(panel.run!.runId).toBe('first');
  panel.setNotebook(null, null);
  expect([panel.notebook, panel.run, panel.rows()]).toEqual([null, null, []]);
});

test('what is looked at stays the same from step to step, but nobody begins a run with its events', async () => {
  add('first', DONE);
  add('last', DONE);
  panel.setNotebook('a.ipynb', 'k');
  await until(() => panel.run?.state === 'over');
  panel.setTab('code');
  panel.selectRow('i1');
  panel.openRun('first');
  expect(panel.tab).toBe('code');
  panel.setTab('raw');
  panel.selectRow('s1');
  expect(panel.tab).toBe('raw');
  panel.openRun('last');
  expect(panel.tab).toBe('reply');
});

test('a run that begins is opened while the panel follows, and what runs is chosen', async () => {
  add('first', DONE);
  panel.setNotebook('a.ipynb', 'k');
  await until(() => panel.run?.state === 'over');
  add('second', null);
  announce('began', 'second');
  await until(() => panel.run?.runId === 'second' && panel.selected === 's1');
  spans.get('second')!.add(start(1, 'i1', 's1', 'iteration'), start(2, 'call', 'i1', 'model_call'));
  announce('advanced', 'second');
  await until(() => panel.selected === 'call');
  expect(panel.span?.kind).toBe('model_call');
  panel.selectRow('s1');
  expect(panel.follow).toBe(false);
  spans.get('second')!.add(end(3, 'call', 'model_call'), start(4, 'code', 'i1', 'code'));
  announce('advanced', 'second');
  await until(() => keys().includes('code'));
  expect(panel.selected).toBe('s1');
  add('third', null);
  announce('began', 'third');
  await until(() => panel.notebook!.runs.length === 3);
  expect(panel.run!.runId).toBe('second');
  panel.setFollow(true);
  await until(() => panel.run?.runId === 'third');
});

test('a run that is over before it is heard of is opened all the same', async () => {
  add('first', DONE);
  panel.setNotebook('a.ipynb', 'k');
  await until(() => panel.run?.state === 'over');
  add('second', DONE);
  announce('began', 'second');
  await until(() => panel.run?.runId === 'second');
});

test('a tab of its own follows its run, and opens no other', async () => {
  add('one', null);
  panel.openRun('one');
  await until(() => panel.selected === 's1');
  add('two', null);
  announce('began', 'two');
  spans.get('one')!.add(start(1, 'i1', 's1', 'iteration'));
  announce('advanced', 'one');
  await until(() => panel.selected === 'i1');
  expect(panel.run!.runId).toBe('one');
});

test('many alike calls are followed as one row', async () => {
  add('one', null);
  const calls = Array.from({ length: 20 }, (_, index) =>
    start(2 + index, `c${index}`, 'code', 'subcall')
  );
  spans.get('one')!.add(start(1, 'code', 's1', 'code'), ...calls);
  panel.setNotebook('a.ipynb', 'k');
  await until(() => panel.row?.type === 'group');
  expect(panel.span).toBeNull();
  expect(panel.rows()).toHaveLength(3);
});

test('a link opens a run at a span, however deep it is', async () => {
  add('first', DONE);
  add('last', DONE);
  panel.setNotebook('a.ipynb', 'k');
  panel.openRun('first', 'deep');
  await until(() => panel.selected === 'deep');
  expect(keys()).toContain('deep');
  expect(panel.follow).toBe(false);
});

test('errors are gone through round and round, filter or not', async () => {
  add('one', DONE);
  panel.setNotebook('a.ipynb', 'k');
  await until(() => panel.run?.state === 'over');
  panel.setFilter({ kinds: new Set(['iteration']) });
  expect(keys()).toEqual(['s1', 'i1']);
  const seen: (string | null)[] = [];
  for (const direction of [1, 1, 1, -1] as const) {
    panel.nextError(direction);
    seen.push(panel.selected);
    expect(keys()).toContain(panel.selected);
  }
  expect(seen).toEqual(['deep', 'late', 'deep', 'late']);
});

test('rows are folded and unfolded, and are the same array while nothing changes', async () => {
  add('one', DONE);
  panel.setNotebook('a.ipynb', 'k');
  await until(() => panel.run?.state === 'over');
  const before = panel.rows();
  expect(panel.rows()).toBe(before);
  panel.toggle('i1', false);
  expect(keys()).toEqual(['s1', 'i1']);
  panel.toggle('i1');
  panel.expandAll();
  expect(keys()).toEqual(['s1', 'i1', 'code', 'child', 'deep', 'late']);
  panel.collapseAll();
  expect(keys()).toEqual(['s1', 'i1']);
});

test('words are looked for once nothing more is typed, and again as the run goes on', async () => {
  add('one', null);
  let found = ['s1'];
  it.server.on('GET', 'runs/one/search', () => ({
    hits: found.map(span_id => ({ span_id })),
    more: false
  }));
  panel.setNotebook('a.ipynb', 'k');
  await until(() => panel.run?.state === 'live');
  for (const query of ['r', 're', 'red']) {
    panel.setQuery(query);
  }
  expect(panel.query).toBe('red');
  await until(() => panel.hits !== null);
  const asked = it.server.asked('GET', 'runs/one/search');
  expect(asked.map(({ query }) => query.get('q'))).toEqual(['red']);
  found = ['s1', 'call'];
  spans.get('one')!.add(start(1, 'call', 's1', 'model_call'));
  announce('advanced', 'one');
  await until(() => panel.hits!.has('call'));
  expect(panel.filter.hits).toBe(panel.hits);
  panel.setQuery('');
  expect([panel.hits, panel.filter.hits]).toEqual([null, null]);
});

test('a block that waits for a decision is shown, whatever is', async () => {
  add('one', null);
  add('two', DONE);
  panel.setNotebook('a.ipynb', 'k');
  panel.openRun('two');
  await until(() => panel.run?.state === 'over');
  steered = {
    paused: false,
    stopping: false,
    notes: 0,
    review: { review_id: 'v', code: 'x', iteration: 1, index: 1 }
  };
  it.server.announce({
    kind: 'run',
    action: 'steered',
    run_id: 'one',
    notebook: 'a.ipynb',
    steered: { waiting: true }
  });
  await until(() => panel.review?.code === 'x');
  expect(panel.run!.runId).toBe('one');
});

test('a kernel is told of a reviewer while the panel is visible, once it has the extension', async () => {
  const said: string[] = [];
  for (const method of ['PUT', 'DELETE']) {
    it.server.on(method, 'kernels/*/reviewer', ({ path }) => {
      said.push(`${method} ${path.split('/')[1]}`);
      return {};
    });
  }
  panel.setNotebook('a.ipynb', 'new');
  await until(() => panel.notebook?.state === 'empty');
  expect(said).toEqual([]);
  panel.kernelSpeaks('new');
  await until(() => said.length === 1);
  panel.setVisible(false);
  await until(() => said.length === 2);
  expect(said).toEqual(['PUT new', 'DELETE new']);
});

test('a panel that nobody sees knows its run, but fetches no spans of it until it is seen', async () => {
  panel.setVisible(false);
  add('one', null);
  panel.setNotebook('a.ipynb', 'k');
  await until(() => panel.run?.run?.run_id === 'one');
  panel.openRun('one', 's1');
  await until(() => it.server.asked('GET', 'runs/one').length > 0);
  expect(it.server.asked('GET', 'runs/one/spans')).toEqual([]);
  panel.setVisible(true);
  await until(() => panel.selected === 's1');
  panel.setVisible(false);
  const before = it.server.asked('GET', 'runs/one/spans').length;
  spans.get('one')!.add(end(1, 's1', 'run'));
  Object.assign(spans.get('one')!, { status: 'ok', whole: true });
  it.server.announce({ kind: 'run', action: 'ended', run_id: 'one', ...standing('one') });
  await until(() => panel.run!.run!.status === 'ok');
  expect(it.server.asked('GET', 'runs/one/spans').length).toBeLessThanOrEqual(before + 1);
  panel.setVisible(true);
  await until(() => panel.run!.state === 'over');
});

test('what the user set holds for whatever is opened, until it is set otherwise', async () => {
  add('one', null);
  const set = { follow: false, grouping: 8, review: true };
  panel.setPreferences(set);
  panel.setNotebook('a.ipynb', 'k');
  await until(() => panel.run?.state === 'live');
  panel.openRun('one');
  expect([panel.follow, panel.selected]).toEqual([false, null]);
  add('two', null);
  announce('began', 'two');
  await until(() => panel.notebook!.runs.length === 2);
  expect(panel.run!.runId).toBe('one');
  panel.setPreferences({ ...set, follow: true });
  await until(() => panel.run?.runId === 'two' && panel.selected === 's1');
  panel.setFollow(false);
  panel.setPreferences({ ...set, follow: true, grouping: 3 });
  expect(panel.follow).toBe(false);
  const calls = [1, 2, 3].map(seq => start(seq, `c${seq}`, 's1', 'subcall'));
  spans.get('two')!.add(...calls);
  announce('advanced', 'two');
  await until(() => panel.rows().some(({ type }) => type === 'group'));
});

test('no kernel is told of a reviewer who leaves the decisions to the cell', async () => {
  it.server.on('PUT', 'kernels/*/reviewer', {});
  it.server.on('DELETE', 'kernels/*/reviewer', {});
  panel.setNotebook('a.ipynb', 'k');
  panel.kernelSpeaks('k');
  await until(() => it.server.asked('PUT', 'kernels/k/reviewer').length === 1);
  panel.setPreferences({ follow: true, grouping: 8, review: false });
  await until(() => it.server.asked('DELETE', 'kernels/k/reviewer').length === 1);
});

test('a run whose beginning is lost says so, and nobody decides about its blocks here', async () => {
  it.server.on('PUT', 'kernels/*/reviewer', {});
  it.server.on('DELETE', 'kernels/*/reviewer', {});
  add('one', null);
  const lost = spans.get('one')!;
  lost.add(start(1, 'i1', 's1', 'iteration'));
  panel.openRun('one');
  await until(() => it.server.asked('PUT', 'kernels/k/reviewer').length === 1);
  expect(panel.run!.isHeadless).toBe(false);
  add('two', null);
  const headless = spans.get('two')!;
  headless.missing = [[0, 0]];
  headless.add(start(1, 'i1', 's1', 'iteration'));
  panel.openRun('two');
  await until(() => panel.run!.isHeadless && panel.run!.state === 'live');
  await until(() => it.server.asked('DELETE', 'kernels/k/reviewer').length === 1);
  headless.missing = [];
  announce('advanced', 'two');
  await until(() => panel.run!.tree.root !== null);
  await until(() => it.server.asked('PUT', 'kernels/k/reviewer').length === 2);
});

test('a link leads to its span even where the filter hides it', async () => {
  add('one', DONE);
  panel.setNotebook('a.ipynb', 'k');
  await until(() => panel.run?.state === 'over');
  panel.setFilter({ kinds: new Set(['iteration']) });
  panel.openRun('one', 'deep');
  expect([panel.selected, panel.filter.kinds]).toEqual(['deep', null]);
});

test('what is asked for in one notebook is not asked for in the next', async () => {
  it.server.on('GET', 'runs/*/search', { hits: [{ span_id: 'i1' }], more: true });
  add('one', DONE);
  add('other', DONE, 'b.ipynb');
  panel.setNotebook('a.ipynb', 'k');
  await until(() => panel.run?.state === 'over');
  panel.setFilter({ statuses: new Set(['ok']) });
  panel.setQuery('red');
  await until(() => panel.hits !== null);
  expect(panel.searchIncomplete).toBe(true);
  panel.setNotebook('b.ipynb', 'k2');
  expect([panel.query, panel.hits, panel.filter.statuses]).toEqual(['', null, null]);
  expect(panel.searchIncomplete).toBe(false);
  await until(() => panel.run?.state === 'over');
  expect(keys()).toContain('code');
});

test('words are never looked for twice at a time', async () => {
  add('one', DONE);
  let underWay = 0;
  let most = 0;
  const answers: (() => void)[] = [];
  it.server.on('GET', 'runs/one/search', async () => {
    most = Math.max(most, ++underWay);
    await new Promise<void>(resolve => answers.push(resolve));
    underWay -= 1;
    return { hits: [{ span_id: 's1' }], more: false };
  });
  panel.setNotebook('a.ipynb', 'k');
  await until(() => panel.run?.state === 'over');
  panel.setQuery('red');
  await until(() => answers.length === 1);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  panel.setQuery('blue');
  panel.setQuery('green');
  await vi.advanceTimersByTimeAsync(300);
  vi.useRealTimers();
  answers[0]();
  await until(() => answers.length === 2);
  answers[1]();
  await until(() => panel.hits !== null);
  const asked = it.server.asked('GET', 'runs/one/search').map(({ query }) => query.get('q'));
  expect([most, asked]).toEqual([1, ['red', 'green']]);
});

test('a notebook that is renamed keeps what is open', async () => {
  add('one', DONE);
  panel.setNotebook('a.ipynb', 'k');
  await until(() => panel.run?.state === 'over');
  panel.selectRow('i1');
  panel.renameNotebook('b.ipynb');
  runs = runs.map(one => ({ ...one, notebook: 'b.ipynb' }));
  it.server.announce({ kind: 'notebook', action: 'moved', notebook_id: 1, notebook: 'b.ipynb' });
  panel.setNotebook('b.ipynb', 'k');
  expect([panel.run!.runId, panel.selected]).toEqual(['one', 'i1']);
  await until(() => panel.notebook!.runs[0]?.notebook === 'b.ipynb');
});
