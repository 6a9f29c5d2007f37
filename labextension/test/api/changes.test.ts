import { EventManager } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Changes } from '../../src/api/changes';
import type { Change } from '../../src/api/types';
import { setPage, stage, type Stage, until } from '../stage';

let it: Stage;
let heard: Change[];
let doubts: number;

beforeEach(async () => {
  it = await stage();
  heard = [];
  doubts = 0;
  it.changes.changed.connect((_, change) => heard.push(change));
  it.changes.doubtful.connect(() => (doubts += 1));
});

afterEach(async () => {
  vi.useRealTimers();
  setPage('visible');
  await it.close();
});

test('what the bus says of runs is heard, and nothing else', async () => {
  const change: Change = {
    kind: 'run',
    action: 'advanced',
    run_id: 'r',
    last_seq: 3,
    status: null
  };
  it.server.announce(change, 'https://events.jupyter.org/jupyter_server/kernel_actions/v1');
  it.server.announce({ kind: 'run', action: 'advanced' });
  it.server.announce({ kind: 'run', action: 'advanced', run_id: 7 } as unknown as Change);
  it.server.announce({ kind: 'weather', action: 'advanced' } as unknown as Change);
  it.server.announce({ ...change, status: 'wonderful' } as unknown as Change);
  it.server.announce(change);
  await until(() => heard.length > 0);
  expect(heard).toEqual([expect.objectContaining(change)]);
});

test('a page that is visible again may have missed something', () => {
  setPage('hidden');
  expect(doubts).toBe(0);
  setPage('visible');
  expect(doubts).toBe(1);
});

test('so may one whose server was away', async () => {
  it.server.on('GET', 'health', { status: 200, value: {} });
  await it.server.close();
  await it.api.health().catch(() => undefined);
  expect(doubts).toBe(0);
  it.server.on('GET', 'health', { status: 503, value: { message: 'The extension is starting.' } });
  await it.server.open();
  await until(() => doubts > 0);
  const before = doubts;
  it.server.on('GET', 'health', { status: 200, value: {} });
  await until(() => doubts > before);
});

test('so may one whose machine slept', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
  const events = new EventManager({ serverSettings: it.server.settings });
  const changes = new Changes({ events, api: it.api });
  let slept = 0;
  changes.doubtful.connect(() => (slept += 1));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(slept).toBe(0);
  vi.setSystemTime(Date.now() + 3_600_000);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(slept).toBe(1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(slept).toBe(1);
  changes.dispose();
  events.dispose();
});

test("so may one whose Lab says that its own requests fail, and one that listens no more doesn't care", () => {
  const events = new EventManager({ serverSettings: it.server.settings });
  const owner = {};
  const failure = new Signal<object, Error>(owner);
  const changes = new Changes({ events, api: it.api, failure });
  let failed = 0;
  changes.doubtful.connect(() => (failed += 1));
  failure.emit(new Error('Lab cannot reach its server.'));
  expect(failed).toBe(1);
  changes.dispose();
  failure.emit(new Error('Lab cannot reach its server.'));
  setPage('visible');
  expect(failed).toBe(1);
  events.dispose();
});
