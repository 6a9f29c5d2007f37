/** Sessions of a notebook, begun and taken up again by cells that the user sees. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import { runMagic } from './magic';

const SESSION_ID = /^[0-9A-Za-z_-]{1,64}$/;

/** Begin another conversation. */
export async function newSession(panel: NotebookPanel): Promise<void> {
  await runMagic(panel, '%rlm new');
}

/** Go on with an earlier conversation. */
export async function resumeSession(panel: NotebookPanel, sessionId: string): Promise<void> {
  if (!SESSION_ID.test(sessionId)) {
    throw new Error(`This is no id of a session: ${sessionId}`);
  }
  await runMagic(panel, `%rlm resume ${sessionId}`);
}
