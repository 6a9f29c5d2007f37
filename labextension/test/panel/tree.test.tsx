import { act, fireEvent, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';

import type { SpanEvent } from '../../src/api/types';
import { end, start } from '../model/events';
import { Scene } from './scene';

let scene: Scene;

afterEach(() => scene.close());

/** A run with two iterations, of which the second makes sub-calls, one of them failed. */
function events(calls = 3): SpanEvent[] {
  const made = [
    start(0, 's1', null, 'run'),
    start(1, 'i1', 's1', 'iteration'),
    start(2, 'm1', 'i1', 'model_call'),
    end(3, 'm1', 'model_call', 'ok', { reply: null }),
    end(4, 'i1', 'iteration'),
    start(5, 'i2', 's1', 'iteration', { number: 2 }),
    start(6, 'c1', 'i2', 'code', { code: 'answers = ask()' })
  ];
  for (let call = 0; call < calls; call++) {
    made.push(start(made.length, `q${call}`, 'c1', 'subcall', { model: `m${call}` }));
  }
  made.push(
    end(made.length, 'q1', 'subcall', 'error', {
      error: { name: 'E', message: 'no', traceback: null }
    })
  );
  return made;
}

function focused(): string | undefined {
  return (document.activeElement as HTMLElement | null)?.dataset.key;
}

function press(key: string): void {
  fireEvent.keyDown(document.activeElement!, { key });
}

function row(key: string): HTMLElement {
  return document.querySelector<HTMLElement>(`[data-key="${key}"]`)!;
}

function stops(): (string | undefined)[] {
  return [...document.querySelectorAll<HTMLElement>('.jp-rlm-Row[tabindex="0"]')].map(
    each => each.dataset.key
  );
}

async function open(calls?: number): Promise<void> {
  scene = await Scene.open({ events: events(calls), over: false });
  act(() => scene.model.selectRow('s1'));
  act(() => row('s1').focus());
}

test('arrow keys go through the rows, and one of them can be reached with the Tab key', async () => {
  await open();
  press('ArrowDown');
  press('ArrowDown');
  expect(focused()).toBe('m1');
  expect(stops()).toEqual(['m1']);
  expect(row('m1').getAttribute('aria-selected')).toBe('true');
  press('ArrowUp');
  expect(focused()).toBe('i1');
  press('End');
  expect(focused()).toBe('q2');
  press('Home');
  expect(focused()).toBe('s1');
});

test('right opens and goes in, left closes and goes out', async () => {
  await open();
  press('ArrowDown');
  press('ArrowLeft');
  expect(row('i1').getAttribute('aria-expanded')).toBe('false');
  expect(row('m1')).toBeNull();
  expect(focused()).toBe('i1');
  press('ArrowRight');
  expect(row('i1').getAttribute('aria-expanded')).toBe('true');
  press('ArrowRight');
  expect(focused()).toBe('m1');
  press('ArrowLeft');
  expect(focused()).toBe('i1');
});

test('a star opens all that stand beside the row', async () => {
  await open();
  act(() => {
    scene.model.toggle('i1', false);
    scene.model.toggle('i2', false);
  });
  press('ArrowDown');
  press('*');
  expect(row('i1').getAttribute('aria-expanded')).toBe('true');
  expect(row('i2').getAttribute('aria-expanded')).toBe('true');
});

test('Enter goes to the detail, Escape comes back', async () => {
  await open();
  press('ArrowDown');
  press('Enter');
  expect(document.activeElement?.getAttribute('role')).toBe('tab');
  press('Escape');
  expect(focused()).toBe('i1');
});

test('the rows say where they are in the tree', async () => {
  await open();
  const grid = screen.getByRole('treegrid', { name: 'Spans' });
  expect(grid.getAttribute('aria-rowcount')).toBe('9');
  const said = ['aria-level', 'aria-posinset', 'aria-setsize', 'aria-rowindex'].map(name =>
    row('q1').getAttribute(name)
  );
  expect(said).toEqual(['4', '2', '3', '8']);
  expect(row('q1').dataset.status).toBe('error');
  expect(row('q1').hasAttribute('aria-expanded')).toBe(false);
});

test('only the rows on the screen are made, and the one with the focus', async () => {
  await open(1000);
  act(() => scene.model.setGrouping(0));
  press('ArrowDown');
  const made = document.querySelectorAll('.jp-rlm-Row').length;
  expect(made).toBeLessThan(50);
  const grid = screen.getByRole('treegrid', { name: 'Spans' });
  grid.scrollTo({ top: 12_000 });
  await scene.until(() => row('q497') !== null);
  expect(focused()).toBe('i1');
  expect(document.querySelectorAll('.jp-rlm-Row').length).toBeLessThan(60);
});

test('the focus stays on its row while spans come and go', async () => {
  await open();
  press('ArrowDown');
  const at = row('i1');
  await scene.add(start(100, 'i3', 's1', 'iteration', { number: 3 }));
  await scene.add(end(101, 'q0', 'subcall', 'ok'));
  expect(document.activeElement).toBe(at);
  expect(row('i3')).not.toBeNull();
});

test('the focus stays in the tree when its row goes', async () => {
  await open();
  press('ArrowDown');
  press('ArrowDown');
  act(() => scene.model.setFilter({ kinds: new Set(['subcall']) }));
  expect(row('m1')).toBeNull();
  expect(focused()).toBeDefined();
});

test('"Next error" chooses the failed span', async () => {
  await open();
  fireEvent.click(screen.getByRole('button', { name: 'Next error' }));
  expect(row('q1').getAttribute('aria-selected')).toBe('true');
});

test('who scrolls does not follow the run any more', async () => {
  await open();
  const follow = screen.getByRole('button', { name: 'Follow' });
  fireEvent.click(follow);
  expect(follow.getAttribute('aria-pressed')).toBe('true');
  fireEvent.wheel(screen.getByRole('treegrid', { name: 'Spans' }));
  expect(follow.getAttribute('aria-pressed')).toBe('false');
});
