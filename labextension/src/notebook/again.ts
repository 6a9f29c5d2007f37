/** Runs that are gone through once more, in cells that the user sees. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { AnyRun } from '../panel/actions';
import { runMagic } from './magic';

const RUN_ID = /^[0-9a-f]{32}$/;

/** Run the code of a run with the recorded replies, and have it told what differs. */
export async function replayRun(panel: NotebookPanel, runId: string): Promise<void> {
  await runMagic(panel, `%rlm replay ${checked(runId)}`);
}

/** Go on with a run that was cut. */
export async function resumeRun(panel: NotebookPanel, runId: string): Promise<void> {
  await runMagic(panel, `%rlm resume ${checked(runId)}`);
}

/** Return whether the notebook's kernel may still be at it: of a run whose end was not told the server only guesses. */
export function isStillAtIt({ sessionContext }: NotebookPanel, run: AnyRun): boolean {
  const kernel = sessionContext.session?.kernel;
  return !run.whole && kernel?.id === run.kernel_id && kernel.status === 'busy';
}

/** What goes into code must be a run's id, and nothing else. */
function checked(runId: string): string {
  if (!RUN_ID.test(runId)) {
    throw new Error(`This is no id of a run: ${runId}`);
  }
  return runId;
}
