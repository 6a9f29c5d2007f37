import { ContentsManager } from '@jupyterlab/services';
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { Notification } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { Run } from '../src/api/types';
import { PanelModel } from '../src/model/panel';
import { LabActions } from '../src/notebook/actions';
import { ActiveNotebook, serverPath } from '../src/notebook/active';
import { Asking } from '../src/notebook/asking';
import { notebookMeant } from '../src/notebook/chosen';
import type { CommandsOptions } from '../src/notebook/command';
import { addCommands } from '../src/notebook/commands';
import { Documents } from '../src/notebook/documents';
import { Panels, type RunView } from '../src/panels';
import { Settings } from '../src/settings';
import { CommandIDs } from '../src/tokens';
import { end, start } from './model/events';
import { run, runInFull, stage, type Stage, until } from './stage';

const ID = '0123456789abcdef0123456789abcdef';
const trans = nullTranslator.load('rlm_jupyter');

let it: Stage;
let panels: Panels;
let shell: { currentWidget: Widget | null; currentChanged: Signal<Widget, never> };
let sidebar: RunView;
let tab: RunView;
const settings = { composite: { review: false, follow: false }, changed: new Signal({}) };
const met = new Signal<object, string>({});

function view(): RunView {
  const widget = new Widget();
  widget.node.tabIndex = 0;
  const made = { widget, model: new PanelModel(it) };
  panels.add(made);
  Widget.attach(widget, document.body);
  return made;
}

beforeEach(async () => {
  it = await stage();
  shell = { currentWidget: null, currentChanged: new Signal(new Widget()) };
  const registry = { load: () => Promise.resolve(settings) } as unknown as ISettingRegistry;
  const set = new Settings(registry);
  panels = new Panels({ shell: shell as never, settings: set, met });
  sidebar = view();
  await until(() => !set.values.review);
  tab = view();
});

afterEach(async () => {
  panels.dispose();
  for (const { model, widget } of [sidebar, tab]) {
    widget.dispose();
    model.dispose();
  }
  vi.restoreAllMocks();
  await it.close();
});

test('the panel that has the focus is meant, or else the tab in front, or else the sidebar', () => {
  expect(panels.current).toBe(sidebar.model);
  shell.currentWidget = tab.widget;
  expect(panels.current).toBe(tab.model);
  sidebar.widget.node.focus();
  expect(panels.current).toBe(sidebar.model);
  tab.widget.node.focus();
  expect(panels.current).toBe(tab.model);
  tab.widget.dispose();
  expect(panels.current).toBe(sidebar.model);
});

test('every panel heeds the settings, and hears which kernels are there', () => {
  const heard = [sidebar, tab].map(({ model }) => vi.spyOn(model, 'kernelSpeaks'));
  met.emit('k');
  heard.forEach(one => expect(one).toHaveBeenCalledExactlyOnceWith('k'));
  for (const { model } of [sidebar, tab]) {
    model.openRun(ID);
    expect(model.follow).toBe(false);
  }
});

function panelAt(path: string, localPath = path): NotebookPanel {
  return {
    context: { path, localPath, pathChanged: new Signal({}) },
    sessionContext: { kernelChanged: new Signal({}) }
  } as unknown as NotebookPanel;
}

test('notebooks on drives that are elsewhere are none of the server’s', () => {
  expect(serverPath(panelAt('a/b.ipynb'))).toBe('a/b.ipynb');
  expect(serverPath(panelAt('RTC:b.ipynb', 'b.ipynb'))).toBe('b.ipynb');
  expect(serverPath(panelAt('s3:b.ipynb', 'b.ipynb'))).toBeNull();
});

interface Beside {
  commands: CommandRegistry;
  active: ActiveNotebook;
  actions: LabActions;
}

/** Lab's commands, with ours, beside a notebook that is in front. */
function commandsBeside(path: string, openInTab: CommandsOptions['openInTab'] = null): Beside {
  const tracker = {
    currentWidget: panelAt(path),
    currentChanged: new Signal({}),
    find: () => undefined
  } as unknown as INotebookTracker;
  const commands = new CommandRegistry();
  const active = new ActiveNotebook(tracker);
  const { api } = it;
  const documents = new Documents(shell as never, tracker, null);
  const model = (): PanelModel => panels.current;
  const actions = new LabActions({
    api,
    model,
    active,
    documents,
    contents: new ContentsManager({ serverSettings: it.server.settings }),
    commands,
    trans
  });
  addCommands(commands, {
    panels,
    active,
    trans,
    actions,
    asking: new Asking(api, trans),
    fetchRun: runId => api.run(runId),
    fetchSessions: notebook => api.sessions(notebook),
    show: vi.fn(),
    hide: vi.fn(),
    isShown: () => false,
    openRun: vi.fn(),
    openInTab,
    openLink: vi.fn(),
    canOpenSettings: () => false,
    openSettings: vi.fn()
  });
  return { commands, active, actions };
}

function serve(served: Run): void {
  it.server.on('GET', `runs/${ID}`, { status: 200, value: runInFull(served) });
  const page = { events: [], next: 0, missing: [], status: 'ok', whole: true, last_seq: -1 };
  it.server.on('GET', `runs/${ID}/spans`, { status: 200, value: page });
}

test('what is done in a notebook is done in that of the run which a tab shows', async () => {
  serve(run(ID, { notebook: 'of-the-run.ipynb', status: 'ok' }));
  const { active } = commandsBeside('in-front.ipynb');
  expect(notebookMeant(sidebar.model, active)).toBe('in-front.ipynb');
  tab.model.setVisible(true);
  tab.model.openRun(ID);
  await until(() => tab.model.run?.run?.notebook !== undefined);
  expect(notebookMeant(tab.model, active)).toBe('of-the-run.ipynb');
  active.dispose();
});

test('a command on a run that no panel shows asks for it, and one without a run says so', async () => {
  serve(run(ID, { status: null }));
  it.server.on('POST', `runs/${ID}/control`, { status: 200, value: { when: 'now', note: null } });
  const { commands, active } = commandsBeside('a.ipynb');
  const told = vi.spyOn(Notification, 'info').mockReturnValue('');
  expect(commands.isEnabled(CommandIDs.interrupt)).toBe(false);
  expect(commands.isEnabled(CommandIDs.interrupt, { run_id: ID })).toBe(true);
  await commands.execute(CommandIDs.interrupt, { run_id: ID });
  await until(() => it.server.asked('POST', `runs/${ID}/control`).length === 1);
  expect(told).not.toHaveBeenCalled();
  await commands.execute(CommandIDs.interrupt);
  expect(told).toHaveBeenCalledExactlyOnceWith('Open a run first.', { autoClose: 5000 });
  active.dispose();
});

test('what a front end cannot do, it does not offer', () => {
  const { commands, active, actions } = commandsBeside('a.ipynb');
  for (const id of [CommandIDs.openInTab, CommandIDs.openSettings]) {
    expect([commands.isVisible(id), commands.isEnabled(id, { run_id: ID })]).toEqual([
      false,
      false
    ]);
  }
  expect([actions.openInTab, actions.openSettings]).toEqual([undefined, undefined]);
  active.dispose();
});

test('a run opens in a tab at the chosen step', async () => {
  const told = [start(0, 's1', null, 'run'), end(1, 's1', 'run')];
  const events = told.map(event => ({ ...event, run_id: ID }));
  const page = { events, next: 2, missing: [], status: 'ok', whole: true, last_seq: 1 };
  it.server.on('GET', `runs/${ID}`, {
    status: 200,
    value: runInFull(run(ID, { status: 'ok', last_seq: 1 }))
  });
  it.server.on('GET', `runs/${ID}/spans`, { status: 200, value: page });
  const openInTab = vi.fn(() => Promise.resolve());
  const { active, actions } = commandsBeside('a.ipynb', openInTab);
  sidebar.model.setVisible(true);
  sidebar.model.openRun(ID, 's1');
  await until(() => sidebar.model.span !== null);
  actions.openInTab?.(ID);
  await until(() => openInTab.mock.calls.length > 0);
  expect(openInTab).toHaveBeenCalledExactlyOnceWith(ID, 's1');
  active.dispose();
});

test('Lab hears only of the commands that are different', async () => {
  serve(run(ID, { status: 'ok' }));
  const { commands, active } = commandsBeside('a.ipynb');
  shell.currentWidget = tab.widget;
  tab.model.setVisible(true);
  tab.model.openRun(ID);
  await until(() => commands.isEnabled(CommandIDs.deleteRun));
  await until(() => tab.model.run?.state === 'over');
  const changed: string[] = [];
  commands.commandChanged.connect((_, { id }) => changed.push(id ?? ''));
  tab.model.setTab('raw');
  expect(changed).toEqual([]);
  tab.model.setFollow(true);
  expect(changed).toEqual([CommandIDs.follow]);
  active.dispose();
});
