import { afterEach, beforeEach, expect, test } from 'vitest';

import type { Run, Session } from '../../src/api/types';
import { NotebookModel } from '../../src/model/notebook';
import { run, session, stage, type Stage, until } from '../stage';

let it: Stage;
let runs: Run[];
let sessions: Session[];
let path: string;
const models: NotebookModel[] = [];

beforeEach(async () => {
  it = await stage();
  runs = [];
  sessions = [];
  path = 'a.ipynb';
  it.server.on('GET', 'sessions', ({ query }) => ({
    sessions: query.get('notebook') === path ? sessions : [],
    next: null
  }));
  it.server.on('GET', 'runs', ({ query }) => {
    const session_id = query.get('session');
    const here = runs.filter(one => session_id === null || one.session_id === session_id);
    const before = here.findIndex(one => one.run_id === query.get('before')) + 1;
    const page =
      query.get('notebook') === path ? here.slice(before, before + Number(query.get('limit'))) : [];
    return { runs: page, next: page.length === 50 ? page.at(-1)!.run_id : null };
  });
});

afterEach(async () => {
  models.splice(0).forEach(model => model.dispose());
  await it.close();
});

function open(): NotebookModel {
  const model = new NotebookModel(it.api, it.changes, path);
  models.push(model);
  return model;
}

function ids(model: NotebookModel): string[] {
  return model.runs.map(({ run_id }) => run_id);
}

test('a notebook without runs is empty, until one begins', async () => {
  const model = open();
  expect(model.state).toBe('loading');
  await until(() => model.state === 'empty');
  const begun: string[] = [];
  model.began.connect((_, runId) => begun.push(runId));
  runs = [run('one')];
  sessions = [session('s')];
  it.server.announce({
    kind: 'run',
    action: 'began',
    run_id: 'one',
    notebook: 'a.ipynb',
    notebook_id: 1
  });
  await until(() => model.state === 'ready');
  expect(ids(model)).toEqual(['one']);
  expect(model.sessions).toHaveLength(1);
  expect(begun).toEqual(['one']);
});

test('runs of another notebook are no news', async () => {
  const model = open();
  await until(() => model.state === 'empty');
  it.server.announce({
    kind: 'run',
    action: 'began',
    run_id: 'x',
    notebook: 'b.ipynb',
    notebook_id: 2
  });
  it.server.announce({
    kind: 'run',
    action: 'deleted',
    run_id: 'x',
    notebook: 'b.ipynb',
    notebook_id: 2
  });
  runs = [run('one')];
  it.server.announce({
    kind: 'run',
    action: 'began',
    run_id: 'one',
    notebook: 'a.ipynb',
    notebook_id: 1
  });
  await until(() => model.state === 'ready');
  expect(it.server.asked('GET', 'runs')).toHaveLength(2);
});

test('how a run goes on and ends is told', async () => {
  runs = [run('one'), run('zero', { status: 'ok' })];
  const model = open();
  await until(() => model.runs.length === 2);
  runs = [run('one', { subcalls: 7 }), runs[1]];
  it.server.announce({ kind: 'run', action: 'advanced', run_id: 'one', notebook: 'a.ipynb' });
  await until(() => model.runs[0].subcalls === 7);
  runs = [run('one', { status: 'error' }), runs[1]];
  it.server.announce({
    kind: 'run',
    action: 'ended',
    run_id: 'one',
    notebook: 'a.ipynb',
    status: 'error'
  });
  await until(() => model.runs[0].status === 'error');
});

test('earlier runs come when they are asked for, and stay', async () => {
  runs = Array.from({ length: 120 }, (_, index) => run(`r${index}`, { status: 'ok' }));
  const model = open();
  await until(() => model.runs.length === 50);
  expect(model.more).toBe(true);
  await model.loadMore();
  await model.loadMore();
  expect(model.runs).toHaveLength(120);
  expect(model.more).toBe(false);
  runs = [run('new'), ...runs];
  it.server.announce({ kind: 'run', action: 'began', run_id: 'new', notebook: 'a.ipynb' });
  await until(() => model.runs[0].run_id === 'new');
  expect(new Set(ids(model)).size).toBe(121);
  expect(model.more).toBe(false);
});

test('the runs of one session', async () => {
  runs = [run('b', { session_id: 'two' }), run('a', { session_id: 'one' })];
  sessions = [session('two'), session('one')];
  const model = open();
  await until(() => model.runs.length === 2);
  model.choose('one');
  await until(() => model.runs.length === 1);
  expect(ids(model)).toEqual(['a']);
  model.choose(null);
  await until(() => model.runs.length === 2);
});

test('a run or a session that is deleted goes', async () => {
  runs = [run('b'), run('a')];
  sessions = [session('s')];
  const model = open();
  await until(() => model.runs.length === 2);
  runs = [runs[1]];
  it.server.announce({ kind: 'run', action: 'deleted', run_id: 'b', notebook: 'a.ipynb' });
  await until(() => model.runs.length === 1);
  runs = [];
  sessions = [];
  it.server.announce({ kind: 'session', action: 'deleted', session_id: 's', notebook: 'a.ipynb' });
  await until(() => model.state === 'empty');
});

test('a notebook that is renamed keeps its runs, whoever tells first', async () => {
  runs = [run('a')];
  const model = open();
  await until(() => model.state === 'ready');
  path = 'b.ipynb';
  it.server.announce({ kind: 'notebook', action: 'moved', notebook_id: 1, notebook: 'b.ipynb' });
  await until(() => model.path === 'b.ipynb');
  const seen = new Set<number>();
  model.changed.connect(() => seen.add(model.runs.length));
  const asked = it.server.asked('GET', 'runs').length;
  model.rename('c.ipynb');
  await until(() => it.server.asked('GET', 'runs').length > asked);
  path = 'c.ipynb';
  runs = [run('b'), run('a')];
  it.server.announce({ kind: 'notebook', action: 'moved', notebook_id: 1, notebook: 'c.ipynb' });
  await until(() => model.runs.length === 2);
  expect(seen.has(0)).toBe(false);
});

test('a server that is not reached says so, and the runs come back with it', async () => {
  runs = [run('a')];
  const model = open();
  await until(() => model.state === 'ready');
  await it.server.close();
  model.refresh();
  await until(() => model.state === 'no-server');
  expect(ids(model)).toEqual(['a']);
  runs = [run('b'), run('a')];
  await it.server.open();
  await until(() => model.state === 'ready' && model.runs.length === 2);
});

test('a run that was there before the first answer has not just begun, whatever failed before', async () => {
  runs = [run('a')];
  const answer = { status: 503, value: { message: 'The store cannot be read.' } };
  it.server.on('GET', 'sessions', answer);
  const model = open();
  const began: string[] = [];
  model.began.connect((_, id) => began.push(id));
  await until(() => model.state === 'failed');
  it.server.on('GET', 'sessions', { sessions: [], next: null });
  model.refresh();
  await until(() => model.state === 'ready');
  runs = [run('b'), run('a')];
  model.refresh();
  await until(() => model.runs.length === 2);
  expect(began).toEqual(['b']);
});

test('a store that cannot be read is a failure that says what to do', async () => {
  it.server.on('GET', 'runs', {
    status: 503,
    value: { message: "The store cannot be read. The server's log says why." }
  });
  const model = open();
  await until(() => model.state === 'failed');
  expect(model.problem).toContain('log says why');
});
