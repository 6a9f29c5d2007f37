/* How a run that is under way, or over, is said to stand. */
import { act, fireEvent, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';

import type { RunInFull, SpanEvent } from '../../src/api/types';
import { end, reply, start } from '../model/events';
import { Scene } from './scene';

let scene: Scene;

afterEach(() => scene.close());

/** A run whose only iteration is over. */
const BETWEEN: SpanEvent[] = [
  start(0, 's1', null, 'run', { max_iterations: 2 }),
  start(1, 'i1', 's1', 'iteration'),
  start(2, 'c1', 'i1', 'code', { code: 'rm("\u202eb")', review: 'rejected' }),
  end(3, 'c1', 'code'),
  end(4, 'i1', 'iteration')
];

const STEERED: NonNullable<RunInFull['steered']> = {
  paused: false,
  stopping: false,
  notes: 0,
  review: null
};

function row(key: string): HTMLElement {
  return document.querySelector<HTMLElement>(`[data-key="${key}"]`)!;
}

function words(): string {
  return document.querySelector('.jp-rlm-Header-state')!.textContent!;
}

function dot(): string | undefined {
  return document.querySelector<HTMLElement>('.jp-rlm-Header .jp-rlm-Dot')!.dataset.status;
}

test('a run that was asked for what it had is not one that answered', async () => {
  const events = [
    ...BETWEEN,
    start(5, 'i2', 's1', 'iteration', { number: 3, closing: true }),
    end(6, 'i2', 'iteration', 'ok', { answered: true }),
    end(7, 's1', 'run', 'ok', { answer: 'perhaps' })
  ];
  scene = await Scene.open({ events });
  expect(words()).toContain('out of iterations, answered with what it had');
  expect([dot(), row('s1').dataset.status]).toEqual(['spent', 'spent']);
  expect(row('i2').textContent).toContain('Iteration 3 · final answer asked for');
  expect(screen.getByRole('option').querySelector<HTMLElement>('.jp-rlm-Dot')?.dataset.status).toBe(
    'spent'
  );
});

test('code that was rejected says so, and what is hidden in it is seen', async () => {
  scene = await Scene.open({ events: BETWEEN, over: false });
  expect(row('c1').dataset.status).toBe('rejected');
  expect(row('c1').textContent).toContain('rm("•b")· rejected');
  expect(row('c1').querySelector('[title*="U+202E"]')).not.toBeNull();
  act(() => scene.model.selectRow('c1'));
  fireEvent.click(screen.getByRole('tab', { name: 'Code' }));
  const code = document.querySelector('.jp-rlm-Code')!;
  expect(code.textContent).toBe('rm("\u202eb")');
  expect(code.querySelector('.jp-rlm-Hidden')?.getAttribute('title')).toBe('U+202E');
  expect(screen.getByText(/1 character that is hidden .*U\+202E in line 1/)).toBeDefined();
  fireEvent.click(screen.getByRole('button', { name: /Copy: Block/ }));
  expect(scene.asked.at(-1)).toEqual(['copy', 'rm("\u202eb")']);
});

test('a run that is to pause is paused once its iteration is over', async () => {
  scene = await Scene.open({
    events: [...BETWEEN, start(5, 'i2', 's1', 'iteration'), start(6, 'm2', 'i2', 'model_call')],
    over: false,
    steered: { ...STEERED, paused: true }
  });
  await scene.until(() => words().includes('halts after this iteration'));
  await scene.add(end(7, 'm2', 'model_call'), end(8, 'i2', 'iteration'));
  await scene.until(() => words().startsWith('paused'));
  expect(words()).not.toContain('halts');
  expect(document.querySelector('.jp-rlm-View[data-standing="paused"]')).not.toBeNull();
});

test('a decision that is waited for is said, and a changed draft of it outlives the view', async () => {
  const review = { review_id: 'w', code: 'rm()\u202e', iteration: 2, index: 1 };
  scene = await Scene.open({ events: BETWEEN, over: false, steered: { ...STEERED, review } });
  await scene.until(() => words().startsWith('waits for your decision'));
  expect(dot()).toBe('waiting');
  const field = (): HTMLTextAreaElement => screen.getByRole('textbox', { name: 'Code that waits' });
  fireEvent.change(field(), { target: { value: 'look()' } });
  act(() => scene.model.setNotebook(null, null));
  act(() => scene.model.setNotebook('a.ipynb', 'k'));
  await scene.until(() => document.querySelector('.jp-rlm-Review') !== null);
  expect(field().value).toBe('look()');
  fireEvent.click(screen.getByRole('button', { name: 'Run the changed code' }));
  expect(scene.asked.at(-1)?.[2]).toMatchObject({ decision: 'edited', code: 'look()' });
});

test('a note that was not sent stays when the run ends', async () => {
  scene = await Scene.open({ events: BETWEEN, over: false });
  fireEvent.click(screen.getByRole('button', { name: 'Note' }));
  const field = screen.getByRole<HTMLTextAreaElement>('textbox', { name: 'Note to the model' });
  fireEvent.change(field, { target: { value: 'Look at 14.2' } });
  Object.assign(scene.spans, { status: 'ok', whole: true });
  await scene.add(end(9, 's1', 'run', 'ok', { answer: 'yes' }));
  await scene.until(() => screen.queryByText('The run ended before it was sent.') !== null);
  expect(field.value).toBe('Look at 14.2');
  expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Send' }).disabled).toBe(true);
  fireEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  expect(screen.queryByRole('textbox', { name: 'Note to the model' })).toBeNull();
});

test('a filter that leaves nothing says so, and is cleared there', async () => {
  scene = await Scene.open({ events: BETWEEN, over: false });
  act(() => scene.model.setFilter({ statuses: new Set(['limit']) }));
  expect(screen.getByText('Nothing in this run matches the filter.')).toBeDefined();
  fireEvent.click(screen.getByRole('button', { name: 'Clear the filter' }));
  expect(row('c1')).not.toBeNull();
});

test('where the server is not reached nothing can be steered, and it is said since when', async () => {
  scene = await Scene.open({ events: BETWEEN, over: false });
  const pause = (): HTMLButtonElement => screen.getByRole('button', { name: 'Pause' });
  expect(pause().disabled).toBe(false);
  await scene.stage.close();
  act(() => scene.model.run!.refresh());
  await scene.until(() => screen.queryByText(/cannot be reached; this is as of \d/) !== null);
  expect(pause().disabled).toBe(true);
  expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Interrupt' }).disabled).toBe(true);
});

test('calls and child runs are told apart', async () => {
  const events = [
    ...BETWEEN,
    start(5, 'q1', 'c1', 'subcall'),
    reply(6, 'q1', 'subcall', 1, 1, null),
    start(7, 'q2', 'c1', 'subcall'),
    start(8, 'r1', 'c1', 'run')
  ];
  scene = await Scene.open({ events, over: false });
  expect(screen.getByText('2 sub-calls, 1 child run: 1 done, 2 running')).toBeDefined();
});

test.each([
  ['a step', 'c2', '.jp-rlm-Facts'],
  ['a group of calls', null, '.jp-rlm-Pairs']
])('the time of %s goes on while it runs, though nothing is heard', async (_, key, place) => {
  const now = Date.now() / 1000;
  const calls = Array.from({ length: 9 }, (_, call) =>
    start(call + 3, `q${call}`, 'c2', 'subcall', {}, now)
  );
  const events = [
    start(0, 's1', null, 'run', {}, now),
    start(1, 'i1', 's1', 'iteration', {}, now),
    start(2, 'c2', 'i1', 'code', {}, now),
    ...calls
  ];
  scene = await Scene.open({ events, over: false });
  const group = scene.model.rows().find(({ type }) => type === 'group');
  act(() => scene.model.selectRow(key ?? group!.key));
  const told = (): string => document.querySelector(place)!.textContent!;
  const before = told();
  await scene.until(() => told() !== before);
});
