import { act, fireEvent, screen, within } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';

import type { SpanEvent } from '../../src/api/types';
import { end, start } from '../model/events';
import { run, session } from '../stage';
import { Scene } from './scene';

let scene: Scene;

afterEach(() => scene.close());

const HOSTILE =
  '<img src="https://elsewhere.example/?secret" onerror="window.harm = 1"><script>window.harm = 1</script>' +
  '<b data-commandlinker-command="notebook:run-all">bold</b>';

const EVENTS: SpanEvent[] = [
  start(0, 's1', null, 'run'),
  start(1, 'i1', 's1', 'iteration'),
  start(2, 'm1', 'i1', 'model_call', {
    added: [
      { role: 'system', digest: 'rules' },
      { role: 'user', digest: 'question' }
    ]
  }),
  end(3, 'm1', 'model_call', 'ok', { reply: 'reply', usage: {}, retries: 0 }),
  start(4, 'c1', 'i1', 'code', { code: 'print("<b>1</b>")' }),
  end(5, 'c1', 'code', 'ok', {
    outputs: [{ output_type: 'display_data', data: { 'text/html': HOSTILE }, metadata: {} }],
    changes: { created: ['answers'], rebound: [], deleted: [] }
  }),
  end(6, 'i1', 'iteration')
];

const TEXTS = { rules: 'You may call.', question: 'Which?', reply: 'word '.repeat(24_000) };

function choose(key: string, tab?: string): void {
  act(() => scene.model.selectRow(key));
  if (tab !== undefined) {
    fireEvent.click(screen.getByRole('tab', { name: tab }));
  }
}

function press(key: string, more: object = {}): void {
  fireEvent.keyDown(document.activeElement!, { key, ...more });
}

async function openLive(more: object = {}): Promise<void> {
  scene = await Scene.open({ events: EVENTS, texts: TEXTS, over: false, ...more });
}

test('the list of runs is gone through by arrow keys, and Enter opens one', async () => {
  const runs = [run('r'), run('other', { status: 'error', question: 'And then?' })];
  scene = await Scene.open({ events: EVENTS, runs, sessions: [session('s')] });
  const list = screen.getByRole('listbox', { name: 'Runs' });
  const [first, second] = within(list).getAllByRole('option');
  expect(first.getAttribute('aria-selected')).toBe('true');
  act(() => first.focus());
  press('ArrowDown');
  expect(document.activeElement).toBe(second);
  press('Enter');
  expect(second.getAttribute('aria-selected')).toBe('true');
  expect(scene.model.run?.runId).toBe('other');
});

test('F6 goes from part to part, and back with Shift', async () => {
  await openLive();
  const parts: (string | undefined)[] = [];
  act(() => document.querySelector<HTMLElement>('[role="option"]')!.focus());
  for (let step = 0; step < 5; step++) {
    press('F6');
    parts.push(document.activeElement?.closest<HTMLElement>('[data-rlm-part]')?.dataset.rlmPart);
  }
  expect(parts).toEqual(['header', 'tools', 'tree', 'detail', 'runs']);
  press('F6', { shiftKey: true });
  expect(document.activeElement?.getAttribute('role')).toBe('tab');
});

test('a run that is under way is steered, and a note is sent', async () => {
  await openLive();
  for (const name of ['Interrupt', 'Stop after this iteration', 'Pause']) {
    fireEvent.click(screen.getByRole('button', { name }));
  }
  fireEvent.click(screen.getByRole('button', { name: 'Note' }));
  const field = screen.getByRole('textbox', { name: 'Note to the model' });
  expect(document.activeElement).toBe(field);
  fireEvent.change(field, { target: { value: 'Look at 14.2' } });
  fireEvent.keyDown(field, { key: 'Enter', ctrlKey: true });
  expect(scene.asked.map(([name]) => name)).toEqual(['interrupt', 'stop', 'pause', 'note']);
  expect(scene.asked[3][2]).toBe('Look at 14.2');
  expect(screen.queryByRole('textbox', { name: 'Note to the model' })).toBeNull();
});

test('code that waits is changed and run, or rejected with a reason', async () => {
  const review = { review_id: 'v', code: 'rm()\u202e', iteration: 2, index: 1 };
  await openLive({ steered: { paused: false, stopping: false, notes: 0, review } });
  await scene.until(() => document.querySelector('.jp-rlm-Review') !== null);
  expect(screen.getByText(/U\+202E in line 1/)).toBeDefined();
  expect(screen.getByText('A code block waits for your decision.')).toBeDefined();
  const field = screen.getByRole('textbox', { name: 'Code that waits' });
  expect(screen.getByRole('button', { name: 'Run it' })).toBeDefined();
  fireEvent.change(field, { target: { value: 'look()' } });
  fireEvent.click(screen.getByRole('button', { name: 'Run the changed code' }));
  const edited = { review_id: 'v', decision: 'edited', code: 'look()', reason: null };
  expect(scene.asked.at(-1)?.[2]).toEqual(edited);
  fireEvent.click(screen.getByRole('button', { name: 'Decide again' }));
  const reason = screen.getByRole('textbox', { name: /Reason/ });
  fireEvent.change(reason, { target: { value: 'too bold' } });
  fireEvent.click(screen.getByRole('button', { name: 'Reject' }));
  const rejected = { review_id: 'v', decision: 'rejected', reason: 'too bold' };
  expect(scene.asked.at(-1)?.[2]).toEqual(rejected);
});

test('the filter is a menu for the keyboard', async () => {
  await openLive();
  const button = screen.getByRole('button', { name: 'Filter' });
  fireEvent.click(button);
  expect(document.activeElement?.textContent).toContain('Runs');
  press('ArrowDown');
  press('ArrowDown');
  press('ArrowDown');
  fireEvent.click(document.activeElement!);
  expect(document.activeElement?.getAttribute('aria-checked')).toBe('true');
  expect(scene.model.filter.kinds).toEqual(new Set(['code']));
  expect(document.querySelector('[data-key="m1"]')).toBeNull();
  press('Escape');
  expect(document.activeElement).toBe(button);
  expect(screen.queryByRole('menu')).toBeNull();
});

test('a span has the tabs that it has something for, and arrow keys go through them', async () => {
  await openLive();
  choose('c1');
  const names = (): string[] => screen.getAllByRole('tab').map(tab => tab.textContent!);
  expect(names()).toEqual(['Code', 'Output', 'Variables', 'Raw']);
  act(() => screen.getByRole('tab', { name: 'Code' }).focus());
  press('ArrowRight');
  press('ArrowRight');
  expect(document.activeElement?.textContent).toBe('Variables');
  expect(screen.getByRole('tabpanel').textContent).toContain('answers');
  choose('m1');
  expect(names()).toEqual(['Reply', 'Messages', 'Raw']);
});

test('what a model put out runs nothing, fetches nothing and commands nothing', async () => {
  await openLive();
  choose('c1', 'Output');
  await scene.until(() => document.querySelector('.jp-RenderedHTML b') !== null);
  const rendered = document.querySelector('.jp-rlm-Rendered')!;
  expect(rendered.querySelector('script, [onerror], [src]')).toBeNull();
  expect(rendered.innerHTML).not.toContain('commandlinker');
  expect('harm' in window).toBe(false);
  choose('c1', 'Code');
  expect(screen.getByRole('tabpanel').querySelector('b')).toBeNull();
});

test('a long text is cut until all of it is asked for', async () => {
  await openLive();
  choose('m1', 'Reply');
  await scene.until(() => screen.queryByRole('button', { name: /Show all/ }) !== null);
  const shown = (): number => document.querySelector('.jp-rlm-Text')!.textContent!.length;
  expect(shown()).toBe(20_000);
  fireEvent.click(screen.getByRole('button', { name: 'Show all (120,000 characters)' }));
  expect(shown()).toBe(120_000);
  fireEvent.click(screen.getByRole('button', { name: 'Copy: Reply' }));
  expect(scene.asked.at(-1)).toEqual(['copy', TEXTS.reply]);
});

test('messages are shown with their roles', async () => {
  await openLive();
  choose('m1', 'Messages');
  await scene.until(() => screen.queryByText('You may call.') !== null);
  expect(screen.getByText('System')).toBeDefined();
  expect(screen.getByText('User')).toBeDefined();
});

test('the line between tree and detail is moved by keys', async () => {
  await openLive();
  const line = screen.getByRole('separator');
  const before = Number(line.getAttribute('aria-valuenow'));
  fireEvent.keyDown(line, { key: 'ArrowUp' });
  expect(Number(line.getAttribute('aria-valuenow'))).toBe(before - 5);
});

test('iterations and the end are said aloud, sub-calls are not', async () => {
  await openLive();
  const live = document.querySelector('.jp-rlm-Live')!;
  await scene.add(start(10, 'i2', 's1', 'iteration', { number: 2 }));
  await scene.until(() => live.textContent === 'Iteration 2.');
  await scene.add(start(11, 'q', 'i2', 'subcall'));
  expect(live.textContent).toBe('Iteration 2.');
  Object.assign(scene.spans, { status: 'ok', whole: true });
  await scene.add(end(12, 's1', 'run', 'ok', { answer: 'yes' }));
  await scene.until(() => live.textContent === 'The run: answered.');
});

test('the foot leads back to the notebook', async () => {
  scene = await Scene.open({
    events: EVENTS,
    over: true,
    runs: [run('r', { cell_id: 'cell', status: 'ok', whole: true })]
  });
  choose('c1');
  fireEvent.click(screen.getByRole('button', { name: 'Go to cell' }));
  fireEvent.click(screen.getByRole('button', { name: 'Insert as cell' }));
  fireEvent.click(screen.getByRole('button', { name: 'Open trace notebook' }));
  expect(scene.asked.map(([name]) => name)).toEqual(['goToCell', 'insertCode', 'openTrace']);
  expect(scene.asked[1][1]).toBe('print("<b>1</b>")');
});

test('all is folded and unfolded by buttons', async () => {
  await openLive();
  fireEvent.click(screen.getByRole('button', { name: 'Fold all' }));
  expect(document.querySelector('[data-key="m1"]')).toBeNull();
  fireEvent.click(screen.getByRole('button', { name: 'Unfold all' }));
  expect(document.querySelector('[data-key="m1"]')).not.toBeNull();
});

test('a search that was cut short says so', async () => {
  await openLive({ hits: ['c1'], more: true });
  const box = screen.getByRole('searchbox', { name: 'Search in the run' });
  fireEvent.change(box, { target: { value: 'answers' } });
  await scene.until(() => screen.queryByText(/Found in 1 span\..*narrow the search/) !== null);
});

test('what fetches by itself is not drawn with the renderer of another extension', async () => {
  const data = { 'application/vnd.vega.v5+json': { url: 'https://elsewhere.example' } };
  const output = { output_type: 'display_data', data, metadata: {} };
  scene = await Scene.open({
    events: [
      start(0, 's1', null, 'run'),
      start(1, 'i1', 's1', 'iteration'),
      start(2, 'c1', 'i1', 'code', { code: 'draw()' }),
      end(3, 'c1', 'code', 'ok', { outputs: [output] })
    ],
    renders: 'application/vnd.vega.v5+json'
  });
  choose('c1', 'Output');
  expect(screen.getByRole('tabpanel').textContent).toContain('elsewhere.example');
  expect(document.querySelector('.jp-rlm-Rendered')).toBeNull();
});

test('what is read is not made again while the run goes on', async () => {
  await openLive();
  choose('m1', 'Raw');
  const span = scene.model.span!;
  const { end: last } = span;
  let reads = 0;
  Object.defineProperty(span, 'end', { get: () => (reads++, last) });
  await scene.add(start(10, 'q1', 'c1', 'subcall'));
  await scene.until(() => document.querySelector('[data-key="q1"]') !== null);
  expect(reads).toBe(0);
  act(() => scene.model.setTab('reply'));
  expect(reads).toBeGreaterThan(0);
});
