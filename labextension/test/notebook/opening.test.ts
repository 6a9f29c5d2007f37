import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { PromiseDelegate } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { PanelModel } from '../../src/model/panel';
import type { ActiveNotebook } from '../../src/notebook/active';
import { Documents } from '../../src/notebook/documents';
import { revealStep } from '../../src/notebook/cells';
import { Opener } from '../../src/notebook/opening';
import { stage, type Stage } from '../stage';

const ID = '0123456789abcdef0123456789abcdef';

let it: Stage;
let model: PanelModel;
let ready: PromiseDelegate<void>;
let disposed: Signal<object, void>;
let documents: Documents;
let opener: Opener;
let openOrReveal: ReturnType<typeof vi.fn>;
const show = vi.fn();

beforeEach(async () => {
  it = await stage();
  model = new PanelModel(it);
  ready = new PromiseDelegate();
  disposed = new Signal({});
  const panel = {
    context: { path: 'a.ipynb', localPath: 'a.ipynb', ready: ready.promise, disposed },
    sessionContext: { session: { kernel: { id: 'k' } } },
    disposed
  } as unknown as NotebookPanel;
  const open: NotebookPanel[] = [];
  const tracker = {
    find: (fits: (one: NotebookPanel) => boolean) => open.find(fits)
  } as unknown as INotebookTracker;
  openOrReveal = vi.fn(() => open.push(panel));
  const docManager = { openOrReveal } as unknown as IDocumentManager;
  documents = new Documents({} as never, tracker, docManager);
  const active = {} as unknown as ActiveNotebook;
  opener = new Opener({ api: it.api, active, documents, model, show });
});

afterEach(async () => {
  model.dispose();
  await it.close();
});

test('a run is opened at once, however long its notebook takes', async () => {
  const opening = opener.open({ runId: ID, spanId: null, notebook: 'a.ipynb' });
  expect(show).toHaveBeenCalled();
  expect(model.notebook?.path).toBe('a.ipynb');
  expect(model.run?.runId).toBe(ID);
  const { run } = model;
  ready.resolve();
  await opening;
  expect(model.run).toBe(run);
});

test('a notebook that cannot be loaded is waited for no longer than it is there', async () => {
  const opening = documents.notebook('a.ipynb');
  disposed.emit();
  expect(await opening).toBeNull();
});

test('a notebook that is only read starts no kernel', async () => {
  ready.resolve();
  await documents.notebook('a.ipynb', { shouldStart: false });
  expect(openOrReveal.mock.calls[0].at(-1)).toEqual({ shouldStart: false });
});

test.each([
  ['of the innermost span that has one', ['call', 'code', 'run'], 3],
  ['at the beginning of the run, when no span of it is chosen', [], 1],
  ['at the beginning of the run, when the chosen span has none yet', ['later'], 1]
])('a trace notebook is shown %s', async (_, spanIds, index) => {
  const cells = [
    ['other', 'code'],
    [ID, 'run'],
    [ID, 'run'],
    [ID, 'code'],
    [ID, 'code']
  ].map(([run_id, span_id], id) => {
    const model = { id: String(id), getMetadata: () => ({ run_id, span_id }) };
    return { model, node: document.createElement('div'), addClass: vi.fn(), removeClass: vi.fn() };
  });
  const content = {
    widgets: cells,
    activeCellIndex: 0,
    deselectAll: vi.fn(),
    activate: vi.fn(),
    scrollToItem: vi.fn(() => Promise.resolve())
  };
  const panel = { revealed: Promise.resolve(), content } as unknown as NotebookPanel;
  expect(await revealStep(panel, ID, spanIds)).toBe(true);
  expect(content.scrollToItem).toHaveBeenCalledWith(index, 'smart');
  expect(content.activeCellIndex).toBe(index);
  expect(await revealStep(panel, 'f'.repeat(32), [])).toBe(false);
});
