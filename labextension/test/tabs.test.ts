import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { MainAreaWidget } from '@jupyterlab/apputils';
import { nullTranslator } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { PanelModel } from '../src/model/panel';
import { RunTabs } from '../src/tabs';
import { end, start } from './model/events';
import { run, runInFull, stage, type Stage, until } from './stage';

const ID = '0123456789abcdef0123456789abcdef';

let it: Stage;
let models: PanelModel[];
let opened: MainAreaWidget[];
let tabs: RunTabs;

beforeEach(async () => {
  it = await stage();
  models = [];
  opened = [];
  const shell = { add: (widget: MainAreaWidget) => opened.push(widget), activateById: () => {} };
  tabs = new RunTabs(
    { shell } as unknown as JupyterFrontEnd,
    nullTranslator.load('rlm_jupyter'),
    () => {
      const model = new PanelModel(it);
      model.setVisible(true);
      models.push(model);
      return { model, widget: new Widget() };
    }
  );
});

afterEach(async () => {
  opened.forEach(widget => widget.dispose());
  await it.close();
});

function serve(status: 'ok' | null): void {
  const told = [start(0, 's1', null, 'run'), start(1, 's2', 's1', 'iteration')];
  const ends = status === null ? [] : [end(2, 's2', 'iteration'), end(3, 's1', 'run')];
  const events = [...told, ...ends];
  const last_seq = events.length - 1;
  const page = { events, next: events.length, missing: [], status, whole: true, last_seq };
  const value = runInFull(run(ID, { status, last_seq }));
  it.server.on('GET', `runs/${ID}`, { status: 200, value });
  it.server.on('GET', `runs/${ID}/spans`, { status: 200, value: page });
}

test('a run in a tab is at the step that was chosen, without a toolbar above it', async () => {
  serve('ok');
  await tabs.open(ID, 's2');
  const [model] = models;
  await until(() => model.span !== null);
  expect([model.span?.id, model.follow]).toEqual(['s2', false]);
  expect(opened[0].toolbar.isHidden).toBe(true);
  await tabs.open(ID, 's1');
  expect([model.span?.id, models.length]).toEqual(['s1', 1]);
});

test('a run in a tab is followed while it is under way, and no longer', async () => {
  serve(null);
  await tabs.open(ID, null);
  const [model] = models;
  await until(() => model.run?.state === 'live');
  expect(model.follow).toBe(true);
  serve('ok');
  it.server.announce({ kind: 'run', action: 'ended', run_id: ID, status: 'ok', last_seq: 3 });
  await until(() => model.run?.state === 'over');
  await until(() => !model.follow);
});
