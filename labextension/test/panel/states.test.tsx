/* What stands in the panel when there is no run to show, or not all of one. */
import { act, fireEvent, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';

import { start } from '../model/events';
import { session } from '../stage';
import { Scene } from './scene';

let scene: Scene;

afterEach(() => scene.close());

const EVENTS = [start(0, 's1', null, 'run'), start(1, 'i1', 's1', 'iteration')];

function state(): string | undefined {
  return document.querySelector<HTMLElement>('.jp-rlm-State')?.dataset.state;
}

test('without a notebook, without runs, and without a server it says what to do', async () => {
  scene = await Scene.open({}, null);
  expect(state()).toBe('no-notebook');
  act(() => scene.model.setNotebook('a.ipynb', 'k'));
  expect(state()).toBe('loading');
  await scene.until(() => state() === 'no-runs');
  expect(screen.getByText(/%load_ext rlm_jupyter/)).toBeDefined();
  scene.stage.server.on('GET', 'runs', { status: 500, value: { message: 'Out of order.' } });
  act(() => scene.model.notebook!.refresh());
  await scene.until(() => state() === 'failed');
  expect(screen.getByText('Out of order.')).toBeDefined();
  expect(screen.getByRole('button', { name: 'Try again' })).toBeDefined();
});

test('code that waits is shown though the beginning of its run was not recorded', async () => {
  const review = { review_id: 'v', code: 'look()', iteration: 1, index: 1 };
  scene = await Scene.open({
    events: EVENTS.slice(1),
    over: false,
    headless: true,
    steered: { paused: false, stopping: false, notes: 0, review }
  });
  await scene.until(() => state() === 'no-beginning');
  await scene.until(() => document.querySelector('.jp-rlm-Review') !== null);
  expect(screen.getByRole('button', { name: 'Interrupt' })).toBeDefined();
  fireEvent.click(screen.getByRole('button', { name: 'Run it' }));
  expect(scene.asked.at(-1)?.[0]).toBe('decide');
});

test('a session without runs is not a notebook without runs', async () => {
  scene = await Scene.open({ sessions: [session('s')] });
  await scene.until(() => state() === 'no-runs');
  await act(async () => {
    scene.model.notebook!.choose('s');
    await Promise.resolve();
  });
  await scene.until(() => state() === 'no-runs-of-session');
});

test('when it cannot be shown nobody decides here, and another try brings it back', async () => {
  const { error } = console;
  console.error = () => undefined;
  scene = await Scene.open({ events: EVENTS, over: false });
  const { tree } = scene.model.run!;
  const seen: boolean[] = [];
  const setVisible = scene.model.setVisible.bind(scene.model);
  scene.model.setVisible = isVisible => {
    seen.push(isVisible);
    setVisible(isVisible);
  };
  Object.defineProperty(tree, 'errors', {
    configurable: true,
    get: () => {
      throw new Error('Out of order.');
    }
  });
  act(() => scene.model.setTab('raw'));
  await scene.until(() => state() === 'broken');
  expect(seen.at(-1)).toBe(false);
  Reflect.deleteProperty(tree, 'errors');
  fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
  await scene.until(() => document.querySelector('.jp-rlm-Row') !== null);
  expect(seen.at(-1)).toBe(true);
  console.error = error;
});

test('the panel itself takes the focus where there is nothing to go through', async () => {
  scene = await Scene.open({});
  await scene.until(() => state() === 'no-runs');
  act(() => scene.activate());
  expect(document.activeElement?.className).toContain('jp-rlm-View');
});

test('a run that the server does not know is not said to have been deleted', async () => {
  scene = await Scene.open({});
  await scene.until(() => state() === 'no-runs');
  const { server } = scene.stage;
  server.on('GET', 'runs/*', { status: 404, value: { message: 'No such run.' } });
  act(() => scene.model.openRun('0'.repeat(32)));
  await scene.until(() => state() === 'unknown');
  expect(screen.getByText(/has no record of this run/)).toBeDefined();
});
