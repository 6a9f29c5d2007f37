import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { ReviewLease } from '../../src/model/review';
import { setPage, stage, type Stage, until } from '../stage';

let it: Stage;
let lease: ReviewLease;
let there: Set<string>;
let said: string[];

beforeEach(async () => {
  it = await stage();
  there = new Set();
  said = [];
  it.server.on('PUT', 'kernels/*/reviewer', ({ path, body }) => {
    there.add((body as { reviewer_id: string }).reviewer_id);
    said.push(`PUT ${path.split('/')[1]}`);
    return {};
  });
  it.server.on('DELETE', 'kernels/*/reviewer', ({ path, body }) => {
    there.delete((body as { reviewer_id: string }).reviewer_id);
    said.push(`DELETE ${path.split('/')[1]}`);
    return {};
  });
  lease = new ReviewLease(it.api);
});

afterEach(async () => {
  vi.useRealTimers();
  lease.dispose();
  setPage('visible');
  await it.close();
});

test('somebody is there while the panel and the page are visible, and only then', async () => {
  lease.watch('k');
  setPage('hidden');
  setPage('visible');
  expect(said).toEqual([]);
  lease.setVisible(true);
  await until(() => there.size === 1);
  setPage('hidden');
  await until(() => there.size === 0);
  setPage('visible');
  await until(() => there.size === 1);
  lease.setVisible(false);
  await until(() => there.size === 0);
  expect(said).toEqual(['PUT k', 'DELETE k', 'PUT k', 'DELETE k']);
});

test('who has begun to change a block stays there when it goes out of view', async () => {
  lease.watch('k');
  lease.setVisible(true);
  await until(() => there.size === 1);
  lease.pin('k');
  lease.setVisible(false);
  await new Promise(resolve => setTimeout(resolve));
  lease.setVisible(true);
  lease.pin(null);
  lease.setVisible(false);
  await until(() => there.size === 0);
  expect(said).toEqual(['PUT k', 'DELETE k']);
});

test('it is said again and again', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  lease.watch('k');
  lease.setVisible(true);
  for (let times = 1; times < 4; times += 1) {
    await until(() => said.length === times);
    await vi.advanceTimersByTimeAsync(20_000);
  }
  expect(said.every(words => words === 'PUT k')).toBe(true);
});

test('a kernel that is met for the first time is given a moment', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  lease.watch('k');
  lease.setVisible(true);
  await vi.advanceTimersByTimeAsync(900);
  expect(it.server.requests.filter(({ method }) => method === 'PUT')).toEqual([]);
  await vi.advanceTimersByTimeAsync(200);
  await until(() => said.length === 1);
});

test('a server that comes back is told at once', async () => {
  lease.watch('k');
  lease.setVisible(true);
  await until(() => said.length === 1);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  lease.setVisible(false);
  await until(() => said.length === 2);
  await it.server.close();
  const lost: boolean[] = [];
  it.api.reached.connect((_, isReached) => lost.push(isReached));
  lease.setVisible(true);
  await until(() => lost.includes(false));
  vi.useRealTimers();
  await it.server.open();
  await it.api.health();
  await until(() => there.size === 1);
  expect(said).toEqual(['PUT k', 'DELETE k', 'PUT k']);
});

test('another kernel is told, and the one before as well', async () => {
  lease.setVisible(true);
  lease.watch('one');
  await until(() => said.length === 1);
  lease.watch('two');
  await until(() => said.length === 3);
  lease.dispose();
  await until(() => said.length === 4);
  expect(said).toEqual(['PUT one', 'DELETE one', 'PUT two', 'DELETE two']);
});

test('what is said last is heard last, however fast it changes', async () => {
  lease.watch('k');
  for (let times = 0; times < 10; times += 1) {
    lease.setVisible(true);
    lease.setVisible(false);
  }
  lease.watch('other');
  lease.setVisible(true);
  await until(() => said.at(-1) === 'PUT other');
  lease.setVisible(false);
  await until(() => there.size === 0);
});

test('a page that goes takes its reviewer along', async () => {
  lease.watch('k');
  lease.setVisible(true);
  await until(() => there.size === 1);
  window.dispatchEvent(new Event('pagehide'));
  await until(() => there.size === 0);
  window.dispatchEvent(new Event('pageshow'));
  await until(() => there.size === 1);
});

test('a kernel that has not loaded the extension is left alone until it has', async () => {
  const answer = { status: 409, value: { message: 'This kernel has not loaded the extension.' } };
  let refused = 0;
  it.server.on('PUT', 'kernels/*/reviewer', () => {
    refused += 1;
    return answer;
  });
  lease.watch('k');
  lease.setVisible(true);
  await until(() => refused === 1);
  setPage('hidden');
  setPage('visible');
  it.server.on('PUT', 'kernels/*/reviewer', () => {
    said.push('PUT');
    return {};
  });
  lease.speaks('k');
  await until(() => said.length === 1);
  expect(refused).toBe(1);
});
