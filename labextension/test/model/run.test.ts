import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { RunInFull, SpanEvent } from '../../src/api/types';
import { RunModel } from '../../src/model/run';
import { ScriptedSpans } from '../scripted_server';
import { run, runInFull, setPage, stage, type Stage, until } from '../stage';
import { end, start } from './events';

let it: Stage;
let spans: ScriptedSpans;
let told: RunInFull;
const models: RunModel[] = [];

beforeEach(async () => {
  it = await stage();
  spans = new ScriptedSpans('r');
  told = runInFull(run('r'));
  it.server.on('GET', 'runs/r/spans', spans.answer);
  it.server.on('GET', 'runs/r', () => ({
    ...told,
    status: spans.status,
    whole: spans.whole,
    last_seq: spans.last_seq
  }));
});

afterEach(async () => {
  models.splice(0).forEach(model => model.dispose());
  vi.useRealTimers();
  setPage('visible');
  await it.close();
});

function open(known = true): RunModel {
  const model = new RunModel({
    ...it,
    runId: 'r',
    known: known ? { ...told, last_seq: spans.last_seq } : null
  });
  models.push(model);
  return model;
}

function calls(from: number, count: number): SpanEvent[] {
  const made: SpanEvent[] = [];
  for (let number = 0; number < count; number += 1) {
    const seq = from + 2 * number;
    made.push(start(seq, `c${seq}`, 's1', 'subcall'), end(seq + 1, `c${seq}`, 'subcall'));
  }
  return made;
}

function advanced(): void {
  const { status, whole, last_seq } = spans;
  it.server.announce({
    kind: 'run',
    action: status ? 'ended' : 'advanced',
    run_id: 'r',
    status,
    whole,
    last_seq
  });
}

test('a run that is over is fetched in pages, four at a time, and then left alone', async () => {
  spans.add(start(0, 's1', null, 'run'), ...calls(1, 13_000), end(26_001, 's1', 'run'));
  Object.assign(spans, { status: 'ok', whole: true });
  let underWay = 0;
  let most = 0;
  it.server.on('GET', 'runs/r/spans', async request => {
    most = Math.max(most, ++underWay);
    await until(() => most === 4);
    underWay -= 1;
    return spans.answer(request);
  });
  const model = open();
  expect(model.state).toBe('loading');
  await until(() => model.state === 'over');
  expect(model.tree.size).toBe(13_001);
  expect(model.now()).toBe(26_001);
  expect(most).toBe(4);
  const sinces = it.server
    .asked('GET', 'runs/r/spans')
    .map(({ query }) => Number(query.get('since')));
  expect(sinces.sort((one, other) => one - other).slice(0, 6)).toEqual([
    0, 5000, 10_000, 15_000, 20_000, 25_000
  ]);
});

test('pages that are shorter than they might be are gone on with', async () => {
  spans.add(start(0, 's1', null, 'run'), ...calls(1, 3000));
  spans.page = 700;
  const model = open(false);
  await until(() => model.isComplete);
  expect(model.tree.size).toBe(3001);
  expect(model.state).toBe('live');
});

test('what is new is fetched when the bus says so, from where it was left', async () => {
  spans.add(start(0, 's1', null, 'run'));
  const model = open();
  await until(() => model.state === 'live' && it.server.asked('GET', 'runs/r/spans').length === 2);
  spans.add(...calls(1, 10));
  advanced();
  await until(() => model.tree.size === 11);
  expect(it.server.asked('GET', 'runs/r/spans').at(-1)!.query.get('since')).toBe('1');
  spans.add(end(21, 's1', 'run'));
  Object.assign(spans, { status: 'ok', whole: true });
  told = { ...told, answer: 'the red one' };
  advanced();
  await until(() => model.state === 'over' && model.run?.answer === 'the red one');
});

test('one request is under way at a time, however much happens', async () => {
  spans.add(start(0, 's1', null, 'run'));
  let underWay = 0;
  let most = 0;
  it.server.on('GET', 'runs/r/spans', async request => {
    most = Math.max(most, ++underWay);
    await new Promise(resolve => setImmediate(resolve));
    underWay -= 1;
    return spans.answer(request);
  });
  const model = open();
  let signals = 0;
  model.changed.connect(() => (signals += 1));
  await until(() => model.isComplete);
  most = 0;
  const before = it.server.asked('GET', 'runs/r/spans').length;
  for (let number = 0; number < 200; number += 1) {
    spans.add(...calls(1 + 20 * number, 10));
    advanced();
  }
  await until(() => model.tree.size === 2001);
  expect(most).toBe(1);
  expect(it.server.asked('GET', 'runs/r/spans').length - before).toBeLessThan(20);
  expect(signals).toBeLessThan(20);
});

test('what comes late is fetched, and nothing else with it', async () => {
  spans.add(start(0, 's1', null, 'run'), ...calls(1, 100));
  spans.missing = [
    [11, 12],
    [51, 60]
  ];
  const model = open();
  await until(() => model.isComplete && model.tree.size === 95);
  spans.missing = [[51, 60]];
  advanced();
  await until(() => model.tree.size === 96);
  const late = it.server.asked('GET', 'runs/r/spans').at(-1)!.query;
  expect([late.get('since'), late.get('limit')]).toEqual(['11', '2']);
  spans.missing = [];
  advanced();
  await until(() => model.tree.size === 101);
});

test('a run that was given up and goes on is taken anew', async () => {
  spans.add(start(0, 's1', null, 'run'), start(1, 'c', 's1', 'subcall'));
  spans.add(end(2, 'c', 'subcall', 'interrupted'), end(3, 's1', 'run', 'interrupted'));
  Object.assign(spans, { status: 'interrupted', whole: false });
  const model = open();
  await until(() => model.state === 'over');
  expect(model.tree.get('c')?.status).toBe('interrupted');
  spans.events = [
    start(0, 's1', null, 'run'),
    start(1, 'c', 's1', 'subcall'),
    end(2, 'c', 'subcall')
  ];
  Object.assign(spans, { status: null, last_seq: 2 });
  advanced();
  await until(() => model.state === 'live');
  expect(model.tree.get('c')?.status).toBe('ok');
  expect(model.tree.root?.status).toBe('running');
});

test('a run that is deleted is gone, whether that is announced or found out', async () => {
  spans.add(start(0, 's1', null, 'run'));
  const one = open();
  await until(() => one.state === 'live');
  it.server.announce({ kind: 'run', action: 'deleted', run_id: 'r' });
  await until(() => one.state === 'gone');
  it.server.on('GET', 'runs/r', { status: 404, value: { message: 'There is no such run.' } });
  it.server.on('GET', 'runs/r/spans', { status: 404, value: { message: 'There is no such run.' } });
  const other = open();
  await until(() => other.state === 'gone');
});

test('a run that was never here is no deleted one, and is asked for again', async () => {
  spans.add(start(0, 's1', null, 'run'));
  const known = { status: 404, value: { message: 'There is no such run.' } };
  it.server.on('GET', 'runs/r', known);
  const model = open(false);
  await until(() => model.state === 'unknown');
  it.server.on('GET', 'runs/r', () => ({ ...told, last_seq: 0 }));
  model.refresh();
  await until(() => model.state === 'live');
  expect(model.tree.size).toBe(1);
});

test('what comes late and cannot be had is asked for again', async () => {
  spans.add(start(0, 's1', null, 'run'), ...calls(1, 3));
  spans.missing = [[3, 4]];
  const model = open();
  await until(() => model.state === 'live' && model.tree.size === 3);
  spans.missing = [];
  spans.add(...calls(7, 1));
  let refused = 0;
  it.server.on('GET', 'runs/r/spans', request => {
    if (request.query.get('since') === '3' && refused++ === 0) {
      return { status: 500, value: { message: 'The disk is slow.' } };
    }
    return spans.answer(request);
  });
  advanced();
  await until(() => model.problem === 'The disk is slow.');
  model.refresh();
  await until(() => model.tree.size === 5 && model.problem === null);
  expect(refused).toBe(2);
});

test('a run that is let go of calls off what it asked for', async () => {
  let closed = false;
  const heard: boolean[] = [];
  it.api.reached.connect((_, isReached) => heard.push(isReached));
  const asked: unknown[] = [];
  it.server.on('GET', 'runs/r/spans', request => {
    asked.push(request);
    return new Promise<object>(() => undefined);
  });
  const model = open();
  const search = model.search('red').catch(() => (closed = true));
  await until(() => asked.length === 1);
  model.dispose();
  await search;
  expect([closed, model.problem, heard]).toEqual([true, null, []]);
});

test('how it is steered is known, a block that waits included', async () => {
  spans.add(start(0, 's1', null, 'run'));
  const model = open();
  await until(() => model.state === 'live');
  expect(model.steered).toBeNull();
  const review = { review_id: 'v', code: 'x = 1', iteration: 1, index: 1 };
  told = { ...told, steered: { paused: false, stopping: false, notes: 0, review } };
  it.server.announce({ kind: 'run', action: 'steered', run_id: 'r', steered: { waiting: true } });
  await until(() => model.steered?.review?.code === 'x = 1');
  told = { ...told, steered: null };
  model.refresh();
  await until(() => model.steered === null);
});

test('a server that goes and comes back leaves no gap', async () => {
  spans.add(start(0, 's1', null, 'run'));
  const model = open();
  await until(() => model.state === 'live');
  await it.server.close();
  model.refresh();
  await until(() => model.error?.status === 0);
  expect(model.state).toBe('live');
  spans.add(...calls(1, 10));
  await it.server.open();
  await until(() => model.tree.size === 11 && model.problem === null);
});

test('a run that cannot be opened is, as soon as it can be', async () => {
  it.server.on('GET', 'runs/r/spans', {
    status: 503,
    value: { message: 'The store cannot be read.' }
  });
  const model = open();
  await until(() => model.state === 'failed');
  expect(model.problem).toBe('The store cannot be read.');
  spans.add(start(0, 's1', null, 'run'));
  it.server.on('GET', 'runs/r/spans', spans.answer);
  setPage('hidden');
  setPage('visible');
  await until(() => model.state === 'live');
});

test('what the bus lost is found all the same', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  spans.add(start(0, 's1', null, 'run'));
  const model = open();
  await until(() => model.state === 'live');
  spans.add(...calls(1, 10));
  await until(() => model.tree.size === 11);
});

test('the spans are found in which words are', async () => {
  spans.add(start(0, 's1', null, 'run'));
  it.server.on('GET', 'runs/r/search', {
    hits: [{ span_id: 's1' }, { span_id: 'c' }, { span_id: 'c' }],
    more: false
  });
  await expect(open().search('red')).resolves.toEqual({
    hits: new Set(['s1', 'c']),
    more: false
  });
});
