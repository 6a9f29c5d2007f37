/** A server and what of the extension listens to it, and waiting for what comes of it. */
import { EventManager } from '@jupyterlab/services';
import { vi } from 'vitest';

import { Changes } from '../src/api/changes';
import { Api } from '../src/api/client';
import type { Run, RunInFull, Session } from '../src/api/types';
import { ScriptedServer } from './scripted_server';

/** A server, and a page that is connected to it. */
export interface Stage {
  server: ScriptedServer;
  api: Api;
  changes: Changes;
  close(): Promise<void>;
}

/** Starts a server, and connects to it. */
export async function stage(): Promise<Stage> {
  const server = await ScriptedServer.start();
  server.on('GET', 'health', { status: 200, value: {} });
  const api = new Api(server.settings);
  const events = new EventManager({ serverSettings: server.settings });
  const changes = new Changes({ events, api });
  await until(() => server.hasListener);
  const close = async (): Promise<void> => {
    changes.dispose();
    events.dispose();
    await server.close();
  };
  return { server, api, changes, close };
}

/** Waits until it is so. */
export async function until(isSo: () => boolean): Promise<void> {
  await vi.waitUntil(isSo, { timeout: 10_000, interval: 5 });
}

/** Shows the page, or hides it. */
export function setPage(state: 'visible' | 'hidden'): void {
  Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}

/** A run as a list has it. */
export function run(run_id: string, more: Partial<Run> = {}): Run {
  return {
    run_id,
    notebook_id: 1,
    notebook: 'a.ipynb',
    kernel_id: 'k',
    session_id: 's',
    turn: 0,
    cell_id: null,
    question: 'Which?',
    answer: null,
    cut: false,
    error: null,
    model: 'm',
    backend: 'b',
    environment: 'e',
    status: null,
    began: 0,
    ended: null,
    last_seq: -1,
    events: 0,
    whole: false,
    iterations: 0,
    subcalls: 0,
    children: 0,
    input_tokens: 0,
    output_tokens: 0,
    cost: null,
    ...more
  } as Run;
}

/** A run by itself. */
export function runInFull(of: Run, steered: RunInFull['steered'] = null): RunInFull {
  return { ...of, steered };
}

/** A session of the notebook. */
export function session(session_id: string): Session {
  return {
    session_id,
    notebook_id: 1,
    notebook: 'a.ipynb',
    first_question: 'Which?',
    turns: 1,
    runs: 1,
    began: 0,
    updated: 0
  };
}
