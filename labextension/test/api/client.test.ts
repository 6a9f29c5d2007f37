import { afterEach, beforeEach, expect, test } from 'vitest';

import { Api, ApiError } from '../../src/api/client';
import { ScriptedServer } from '../scripted_server';

let server: ScriptedServer;
let api: Api;

beforeEach(async () => {
  server = await ScriptedServer.start();
  api = new Api(server.settings);
});

afterEach(async () => {
  document.cookie = '_xsrf=; expires=Thu, 01 Jan 1970 00:00:00 GMT';
  await server.close();
});

test('it asks below the base URL, with the token, and with the XSRF cookie', async () => {
  document.cookie = '_xsrf=crumb';
  server.on('POST', 'runs/*/control', { run_id: 'a', action: 'stop', when: 'now', note: null });
  const answer = await api.control('a', { action: 'stop' });
  expect(answer.when).toBe('now');
  const [{ headers, body }] = server.asked('POST', 'runs/a/control');
  expect(headers.authorization).toBe('token secret');
  expect(headers['x-xsrftoken']).toBe('crumb');
  expect(headers['content-type']).toBe('application/json');
  expect(body).toEqual({ action: 'stop' });
});

test('paths and words of any kind arrive as they are', async () => {
  server.on('GET', 'runs', { runs: [], next: null });
  server.on('GET', 'runs/*/search', { hits: [], more: false });
  await api.runs('a folder/ä & b?.ipynb', { session: 's', before: undefined, limit: 3 });
  await api.searchRun('a', 'x=1 & "y" #%');
  const [list] = server.asked('GET', 'runs');
  expect(list.query.get('notebook')).toBe('a folder/ä & b?.ipynb');
  expect([list.query.get('session'), list.query.get('limit')]).toEqual(['s', '3']);
  expect(list.query.has('before')).toBe(false);
  expect(server.asked('GET', 'runs/a/search')[0].query.get('q')).toBe('x=1 & "y" #%');
});

test('what the server says is wrong is the message of the error', async () => {
  server.on('DELETE', 'runs/*', {
    status: 409,
    value: { message: 'This run is under way.', reason: 'Busy' }
  });
  const error = await api.deleteRun('a').catch((error: unknown) => error);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ status: 409, message: 'This run is under way.' });
});

test('a run that was deleted has nothing to say', async () => {
  server.on('DELETE', 'runs/*', { status: 204 });
  await expect(api.deleteRun('a')).resolves.toBeUndefined();
});

test('a server that is not reached has status 0, and is told of when it is back', async () => {
  const heard: boolean[] = [];
  api.reached.connect((_, isReached) => heard.push(isReached));
  server.on('GET', 'health', { status: 200, value: { status: 'ok' } });
  await server.close();
  await expect(api.health()).rejects.toMatchObject({ status: 0 });
  await expect(api.health()).rejects.toMatchObject({ status: 0 });
  await server.open();
  await api.health();
  expect(heard).toEqual([false, true]);
});

test('a proxy without a server behind it is no server', async () => {
  server.on('GET', 'health', {
    status: 503,
    value: 'Bad gateway',
    headers: { 'Content-Type': 'text/html' }
  });
  await expect(api.health()).rejects.toMatchObject({ status: 0 });
  server.on('GET', 'health', { status: 503, value: { message: 'The store cannot be read.' } });
  await expect(api.health()).rejects.toMatchObject({ status: 503 });
});

test('a file has the name that the server gives it', async () => {
  const headers = {
    'Content-Disposition': `attachment; filename="run.html"; filename*=UTF-8''r%C3%BCn.html`
  };
  server.on('GET', 'runs/*/artifacts/html', { status: 200, value: 'text', headers });
  const { blob, name } = await api.artifact('a', 'html');
  expect(name).toBe('rün.html');
  expect(blob.size).toBe(6);
});

test('a request that is called off says nothing about the server', async () => {
  const heard: boolean[] = [];
  api.reached.connect((_, isReached) => heard.push(isReached));
  const off = new AbortController();
  server.on('GET', 'runs/*/spans', () => new Promise<object>(() => off.abort()));
  await expect(api.spans('a', 0, 5, off.signal)).rejects.toMatchObject({ status: 0 });
  await expect(api.spans('a', 0, 5, off.signal)).rejects.toBeInstanceOf(ApiError);
  expect(server.asked('GET', 'runs/a/spans')).toHaveLength(1);
  expect(heard).toEqual([]);
});

test.each(['..', '.', ''])('nothing is asked for by the name %j', async id => {
  await expect(api.run(id)).rejects.toMatchObject({ status: 400 });
  expect(server.requests).toEqual([]);
});
