import type { Event } from '@jupyterlab/services';
import { PromiseDelegate } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { SCHEMA_ID } from '../../src/api/changes';
import { ApiError } from '../../src/api/client';
import type { Run } from '../../src/api/types';
import { ServerEndings } from '../../src/renderer/endings';
import { LIVE_MIME_TYPE } from '../../src/tokens';
import { run as listed, runInFull } from '../stage';
import { hasLink, output, RUN_ID, type Shown } from './outputs';

const stream = new Signal<object, Event.Emission>({});
const ask = vi.fn();
let shown: Shown;

beforeEach(() => {
  vi.useFakeTimers();
  const events = { stream } as unknown as Event.IManager;
  shown = output(LIVE_MIME_TYPE, vi.fn(), new ServerEndings({ run: ask }, events));
});

afterEach(() => {
  vi.useRealTimers();
  ask.mockReset();
});

function progress(changes: object = {}): Record<string, unknown> {
  const state = { version: 1, run_id: RUN_ID, status: null, lines: ['iteration 1'], tail: 'I' };
  return { [LIVE_MIME_TYPE]: { ...state, ...changes } };
}

function knows(status: Run['status']): void {
  const counts = { iterations: 1, subcalls: 2000, input_tokens: 1, output_tokens: 2 };
  ask.mockResolvedValue(runInFull(listed(RUN_ID, { status, ...counts, began: 0, ended: 2 })));
}

function told(): (string | null | undefined)[] {
  const { node } = shown;
  const [dot, facts] = ['dot', 'facts'].map(name => node.querySelector(`.jp-rlm-Inline-${name}`));
  return [(dot as HTMLElement).dataset.status, facts?.textContent];
}

/** Let all that was begun come to its end, and as much time pass as an output waits. */
function wait(): Promise<unknown> {
  return vi.runAllTimersAsync();
}

describe('an output that was left as it was when its kernel died', () => {
  it('tells how the run ended, as the server knows it', async () => {
    knows('interrupted');
    await shown.show(progress());
    expect(ask).not.toHaveBeenCalled();
    await wait();
    expect(ask).toHaveBeenCalledExactlyOnceWith(RUN_ID);
    const line = 'interrupted · m · 1 iteration · 2,000 sub-calls · 1 in, 2 out · 2.0 s';
    expect(told()).toEqual(['interrupted', line]);
    expect(shown.node.querySelector('.jp-rlm-Inline-tail')).toHaveProperty('hidden', true);
    expect(hasLink(shown.node)).toBe(true);
  });

  it('tells it when the server hears of it later', async () => {
    knows(null);
    await shown.show(progress());
    await wait();
    expect(told()).toEqual(['running', 'iteration 1']);
    knows('interrupted');
    const ended = { schema_id: SCHEMA_ID, kind: 'run', action: 'ended', status: 'interrupted' };
    stream.emit({ ...ended, run_id: 'f'.repeat(32) });
    await wait();
    expect(ask).toHaveBeenCalledTimes(1);
    stream.emit({ ...ended, run_id: RUN_ID });
    await wait();
    expect(told()[0]).toBe('interrupted');
  });

  it('stays as it is where no server knows the run', async () => {
    ask.mockRejectedValue(new ApiError(404, 'There is no such run.'));
    await shown.show(progress());
    await wait();
    expect(told()).toEqual(['running', 'iteration 1']);
  });
});

describe('an output whose kernel is there', () => {
  it('has its own last word, and asks nobody', async () => {
    await shown.show(progress());
    await shown.show(progress({ status: 'ok', lines: ['answered'] }));
    await wait();
    expect(ask).not.toHaveBeenCalled();
    expect(told()).toEqual(['ok', 'answered']);
  });

  it('does not take back what it said while the server was asked', async () => {
    const answer = new PromiseDelegate<unknown>();
    ask.mockReturnValue(answer.promise);
    await shown.show(progress());
    await wait();
    await shown.show(progress({ status: 'ok', lines: ['answered'] }));
    answer.resolve(runInFull(listed(RUN_ID, { status: 'interrupted' })));
    await wait();
    expect(told()).toEqual(['ok', 'answered']);
  });
});
