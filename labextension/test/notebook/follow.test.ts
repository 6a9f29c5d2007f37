import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, expect, test } from 'vitest';

import type { Run } from '../../src/api/types';
import { PanelModel } from '../../src/model/panel';
import { ActiveNotebook } from '../../src/notebook/active';
import { followActive } from '../../src/notebook/follow';
import { run, runInFull, stage, type Stage, until } from '../stage';

const ID = '0123456789abcdef0123456789abcdef';

/** As much of one of Lab's notebooks as is followed. */
class OpenNotebook {
  readonly changing = new Signal<this, string>(this);
  readonly context = {
    path: '',
    localPath: '',
    pathChanged: this.changing,
    ready: Promise.resolve()
  };
  readonly sessionContext = { session: null, kernelChanged: new Signal<this, void>(this) };
  readonly content: { model: { getMetadata(): unknown } };

  constructor(path: string, ours?: object) {
    this.move(path);
    this.content = { model: { getMetadata: () => ours } };
  }

  move(path: string): void {
    this.context.path = path;
    this.context.localPath = path;
    this.changing.emit(path);
  }
}

let it: Stage;
let runs: Run[];
let model: PanelModel;
let active: ActiveNotebook;
const tracker = { currentWidget: null as OpenNotebook | null };
const currentChanged = new Signal<object, NotebookPanel | null>(tracker);

beforeEach(async () => {
  it = await stage();
  runs = [];
  it.server.on('GET', 'sessions', { sessions: [], next: null });
  it.server.on('GET', 'runs', ({ query }) => ({
    runs: runs.filter(({ notebook }) => notebook === query.get('notebook')),
    next: null
  }));
  it.server.on('GET', `runs/${ID}`, () => runInFull(runs[0]));
  model = new PanelModel(it);
  active = new ActiveNotebook(
    Object.assign(tracker, { currentChanged }) as unknown as INotebookTracker
  );
  followActive({ api: it.api, model, active });
});

afterEach(async () => {
  active.dispose();
  model.dispose();
  tracker.currentWidget = null;
  await it.close();
});

function goTo(notebook: OpenNotebook | null): void {
  tracker.currentWidget = notebook;
  currentChanged.emit(notebook as unknown as NotebookPanel | null);
}

test('the notebook in front is shown, and stays when it is renamed', () => {
  const notebook = new OpenNotebook('a.ipynb');
  goTo(notebook);
  expect(model.notebook?.path).toBe('a.ipynb');
  const before = model.notebook;
  notebook.move('b.ipynb');
  expect([model.notebook?.path, model.notebook === before]).toEqual(['b.ipynb', true]);
  goTo(null);
  expect(model.notebook).toBeNull();
});

test('beside a trace notebook its runs are shown, also when the trace is moved', async () => {
  runs = [run(ID, { notebook: 'a.ipynb' })];
  const trace = new OpenNotebook('trace.ipynb', { run_ids: [ID] });
  goTo(trace);
  await until(() => model.notebook?.path === 'a.ipynb');
  trace.move('elsewhere.ipynb');
  expect(model.notebook!.path).toBe('a.ipynb');
});

test('what a notebook says of itself is no address', async () => {
  goTo(new OpenNotebook('a.ipynb', { run_ids: ['../kernels'] }));
  await until(() => model.notebook?.state === 'empty');
  expect(model.notebook!.path).toBe('a.ipynb');
  expect(it.server.requests.map(({ path }) => path)).toEqual(
    expect.not.arrayContaining([expect.stringContaining('kernels')])
  );
});
