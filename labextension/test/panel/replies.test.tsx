/* What is told of replies: while they come, and what is odd about them. */
import { act, fireEvent, screen } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';

import type { SpanEvent } from '../../src/api/types';
import { end, piece, start } from '../model/events';
import { Scene } from './scene';

let scene: Scene;

afterEach(() => scene.close());

const CALLED: SpanEvent[] = [
  start(0, 's1', null, 'run'),
  start(1, 'i1', 's1', 'iteration'),
  start(2, 'm1', 'i1', 'model_call', {
    added: [{ role: 'user', digest: 'question', images: ['picture', 'drawing', 'large'] }],
    sampling: { temperature: 0.2 }
  })
];

const TEXTS = {
  question: 'Which? [image 1]',
  picture: { text: 'iVBORw0KGgo=', media_type: 'image/png' as const, size: 8 },
  drawing: { text: 'PHN2Zz48L3N2Zz4=', media_type: 'image/svg+xml' as 'image/png', size: 11 },
  large: { text: '', media_type: 'image/png' as const, size: 9_000_000, cut: true },
  reply: 'seven walruses',
  thoughts: 'How many could there be?'
};

function choose(key: string, tab: string): void {
  act(() => scene.model.selectRow(key));
  fireEvent.click(screen.getByRole('tab', { name: tab }));
}

function shown(): string {
  return screen.getByRole('tabpanel').textContent!;
}

test('a reply is read while it is written, and gives way to the whole', async () => {
  scene = await Scene.open({ events: CALLED, texts: TEXTS, over: false });
  choose('m1', 'Reply');
  expect(shown()).toContain('The model is writing');
  await scene.add(piece(3, 'm1', 'seven <b>'));
  await scene.until(() => shown().includes('seven <b>'));
  expect(document.querySelector('[data-key="m1"]')!.textContent).toContain('writing');
  expect(screen.getByText('The model is writing: 9 characters')).toBeDefined();
  await scene.add(piece(4, 'm1', '', true), piece(5, 'm1', 'eight'));
  await scene.until(() => shown().includes('eight'));
  expect(shown()).not.toContain('seven');
  act(() => scene.model.selectRow('i1'));
  expect(shown()).toContain('eight');
  await scene.add(end(6, 'm1', 'model_call', 'ok', { reply: 'reply', usage: {}, retries: 0 }));
  await scene.until(() => shown().includes('seven walruses'));
  expect(document.querySelector('.jp-rlm-Writing')).toBeNull();
  expect(document.querySelector('[data-key="m1"]')!.textContent).not.toContain('writing');
});

test('what had come of a reply that was broken off stays', async () => {
  const events = [
    ...CALLED,
    piece(3, 'm1', 'seven wal'),
    end(4, 'm1', 'model_call', 'interrupted')
  ];
  scene = await Scene.open({ events, texts: TEXTS });
  choose('m1', 'Reply');
  expect(shown()).toContain('seven wal');
  expect(shown()).toContain('broken off');
});

test('what is odd about a reply is told, and its reasoning is unfolded', async () => {
  const told = {
    reply: 'reply',
    reasoning: 'thoughts',
    notes: ['The server sent no usage.'],
    cached: true,
    usage: { input_tokens: 900, output_tokens: 90, cost: 7 },
    retries: 0
  };
  const events = [...CALLED, end(3, 'm1', 'model_call', 'ok', told)];
  scene = await Scene.open({ events, texts: TEXTS });
  choose('m1', 'Reply');
  await scene.until(() => shown().includes('seven walruses'));
  expect(shown()).toContain('The server sent no usage.');
  expect(shown()).toContain('temperature 0.2');
  expect(shown()).not.toContain('How many could there be?');
  const fold = document.querySelector<HTMLDetailsElement>('.jp-rlm-Fold')!;
  act(() => {
    fold.open = true;
    fold.dispatchEvent(new Event('toggle'));
  });
  await scene.until(() => shown().includes('How many could there be?'));
  expect(document.querySelector('[data-key="m1"]')!.textContent).toContain('cached');
  expect(document.querySelector('[data-rlm="total-cost"]')!.textContent).toBe('$0.00');
  expect(document.querySelector('.jp-rlm-Totals')!.textContent).toContain('1 cached');
});

test('pictures are shown, but none that could run', async () => {
  scene = await Scene.open({ events: CALLED, texts: TEXTS, over: false });
  choose('m1', 'Messages');
  await scene.until(() => document.querySelector('.jp-rlm-Picture') !== null);
  await scene.until(() => shown().includes('9,000,000 bytes'));
  const addresses = [...document.querySelectorAll('img')].map(image => image.src);
  expect(addresses).toEqual(['data:image/png;base64,iVBORw0KGgo=']);
  expect(screen.getByRole('img', { name: 'Picture 1' })).toBeDefined();
});
