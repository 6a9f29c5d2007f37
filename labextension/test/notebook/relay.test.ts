import { type Kernel, KernelConnection } from '@jupyterlab/services';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Relay } from '../../src/notebook/relay';
import { stage, type Stage, until } from '../stage';
import { ScriptedKernel } from './scripted_kernel';

const ID = '11111111-2222-3333-4444-555555555555';
const COMM = 'rlm_jupyter-0123';

let it: Stage;
let kernel: ScriptedKernel;
let relay: Relay;
/** The messages of each request that the server took. */
let taken: object[][];
/** What the server has for the kernel. */
let told: object[];
const connections: Kernel.IKernelConnection[] = [];

beforeEach(async () => {
  it = await stage();
  kernel = new ScriptedKernel(it.server, ID);
  taken = [];
  told = [];
  far();
  relay = new Relay(it.api);
});

afterEach(async () => {
  vi.useRealTimers();
  relay.dispose();
  connections.splice(0).forEach(connection => connection.dispose());
  await it.close();
});

/** Has the server not hear the kernel itself. */
function far(): void {
  it.server.on('GET', 'health', { status: 200, value: { kernels: { heard: 0, relayed: 1 } } });
  it.server.on('POST', `kernels/${ID}/messages`, ({ body }) => {
    taken.push((body as { messages: object[] }).messages);
    return { messages: told.splice(0) };
  });
}

async function connect(): Promise<Kernel.IKernelConnection> {
  const model = { id: ID, name: 'python3' };
  const connection = new KernelConnection({ model, serverSettings: it.server.settings });
  connections.push(connection);
  await connection.info;
  return connection;
}

function words(): object[] {
  return taken.flat();
}

test('what a kernel says is passed on in order, and what is answered goes to it', async () => {
  const errors = vi.spyOn(console, 'error');
  const met: string[] = [];
  relay.met.connect((_, id) => met.push(id));
  relay.hear(await connect());
  told = [{ type: 'welcome' }, { type: 'notebook' }];
  kernel.load(COMM);
  const all = Array.from({ length: 450 }, (_, number) => ({ type: 'events', number }));
  all.forEach(one => kernel.say(one));
  await until(() => words().length === 451);
  expect(words()).toEqual([{ type: 'hello', reach: 'subshell' }, ...all]);
  expect(Math.max(...taken.map(batch => batch.length))).toBeLessThanOrEqual(200);
  await until(() => kernel.heard.length === 2);
  expect(kernel.heard.map(({ data }) => data.type)).toEqual(['welcome', 'notebook']);
  expect(new Set(met)).toEqual(new Set([ID]));
  expect(kernel.closed).toBe(0);
  expect(errors).not.toHaveBeenCalled();
  errors.mockRestore();
});

test('a page that is opened later finds the extension, and has it say hello', async () => {
  kernel.commId = COMM;
  const met: string[] = [];
  relay.met.connect((_, id) => met.push(id));
  relay.hear(await connect());
  await until(() => kernel.heard.length === 1);
  expect(kernel.heard[0].data).toEqual({ type: 'introduce' });
  expect(met).toEqual([ID]);
  kernel.say({ type: 'hello', reach: 'subshell' });
  await until(() => words().length === 1);
});

test('a kernel that the server hears is left alone', async () => {
  let asked = 0;
  it.server.on('POST', `kernels/${ID}/messages`, () => {
    asked += 1;
    return { status: 409, value: { message: 'The server hears this kernel itself.' } };
  });
  relay.hear(await connect());
  kernel.load(COMM);
  await until(() => asked === 1);
  kernel.say({ type: 'events' });
  kernel.say({ type: 'last' });
  const other = await connect();
  await until(() => other.connectionStatus === 'connected');
  expect(asked).toBe(1);
});

test('a kernel that the server hears keeps no subshell for the page, and its comm stays open', async () => {
  kernel.subshells = new Set();
  it.server.on('POST', `kernels/${ID}/messages`, () => {
    return { status: 409, value: { message: 'The server hears this kernel itself.' } };
  });
  const connection = await connect();
  relay.hear(connection);
  const opened = vi.spyOn(kernel.subshells, 'add');
  const deleted = vi.spyOn(kernel.subshells, 'delete');
  kernel.load(COMM);
  await until(() => deleted.mock.calls.length === 1);
  expect(opened).toHaveBeenCalledOnce();
  expect(kernel.subshells.size).toBe(0);
  const { met } = kernel;
  kernel.restart();
  await until(() => kernel.met > met);
  kernel.load('rlm_jupyter-4567');
  await until(() => deleted.mock.calls.length === 2);
  expect(kernel.subshells.size).toBe(0);
  expect(kernel.closed).toBe(0);
  expect(connection.hasComm('rlm_jupyter-4567')).toBe(true);
});

test('a relay that is disposed of lets go of the kernels', async () => {
  const connection = await connect();
  relay.hear(connection);
  kernel.load(COMM);
  await until(() => words().length === 1);
  relay.dispose();
  const errors = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  kernel.load('rlm_jupyter-4567');
  await until(() => kernel.closed === 1);
  expect(words()).toHaveLength(1);
  errors.mockRestore();
});

test('where all kernels are heard, nothing is ever sent', async () => {
  const connection = await connect();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  it.server.on('GET', 'health', { status: 200, value: { kernels: { heard: 1, relayed: 0 } } });
  relay.hear(connection);
  kernel.load(COMM);
  await until(() => it.server.asked('GET', 'health').length === 1);
  await vi.advanceTimersByTimeAsync(5_000);
  kernel.say({ type: 'events' });
  await vi.advanceTimersByTimeAsync(5_000);
  await until(() => it.server.asked('GET', 'health').length === 2);
  kernel.say({ type: 'events' });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(it.server.asked('GET', 'health')).toHaveLength(2);
  expect(it.server.asked('POST', `kernels/${ID}/messages`)).toEqual([]);
});

test('a server that is busy gets the same again', async () => {
  const refused: unknown[] = [];
  relay.hear(await connect());
  kernel.load(COMM);
  await until(() => words().length === 1);
  it.server.on('POST', `kernels/${ID}/messages`, ({ body }) => {
    refused.push(body);
    return { status: 429, value: { message: 'Go on, but more slowly.' } };
  });
  kernel.say({ type: 'events', number: 1 });
  await until(() => refused.length >= 2);
  kernel.say({ type: 'events', number: 2 });
  far();
  await until(() => words().length === 3);
  expect(words().slice(1)).toEqual([
    { type: 'events', number: 1 },
    { type: 'events', number: 2 }
  ]);
});

test('one message that the server does not take keeps back no other', async () => {
  relay.hear(await connect());
  kernel.load(COMM);
  await until(() => words().length === 1);
  it.server.on('POST', `kernels/${ID}/messages`, ({ body }) => {
    const { messages } = body as { messages: { number: number }[] };
    if (messages.some(({ number }) => number === 5)) {
      return { status: 413, value: { message: 'The body is too large.' } };
    }
    taken.push(messages);
    return { messages: [] };
  });
  for (let number = 0; number < 10; number += 1) {
    kernel.say({ type: 'events', number });
  }
  await until(() => words().length === 10);
  const numbers = words()
    .slice(1)
    .map(one => (one as { number: number }).number);
  expect(numbers).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9]);
});

test('a kernel that hears on its control channel while a cell runs is told there', async () => {
  relay.hear(await connect());
  told = [{ type: 'control' }];
  kernel.load(COMM, 'control');
  await until(() => kernel.heard.length === 1);
  expect(kernel.heard[0]).toEqual({ data: { type: 'control' }, channel: 'control' });
});

test('a kernel that begins anew is heard again', async () => {
  relay.hear(await connect());
  kernel.load(COMM);
  await until(() => words().length === 1);
  const { met } = kernel;
  kernel.restart();
  await until(() => kernel.met > met);
  told = [{ type: 'welcome' }];
  kernel.load('rlm_jupyter-4567');
  await until(() => words().length === 2 && kernel.heard.length === 1);
});

test('of two notebooks with one kernel one passes on, and the other when that is closed', async () => {
  const one = await connect();
  const other = await connect();
  relay.hear(one);
  relay.hear(one);
  relay.hear(other);
  kernel.load(COMM);
  kernel.say({ type: 'events', number: 1 });
  await until(() => words().length === 2);
  one.dispose();
  await until(() => kernel.sockets.size === 1);
  kernel.say({ type: 'events', number: 2 });
  await until(() => words().length === 3);
  expect(words().slice(1)).toEqual([
    { type: 'events', number: 1 },
    { type: 'events', number: 2 }
  ]);
});
