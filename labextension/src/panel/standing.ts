/** How the run that is shown stands: its status, and what else the user should see of it at once. */
import { isOutOfIterations } from '../model/names';
import type { PanelModel } from '../model/panel';
import type { RunModel } from '../model/run';
import type { Span } from '../model/span';

/** A status, `waiting` for the user's decision, `paused`, or `spent`: it answered when its iterations were used up. */
export type Standing =
  'running' | 'ok' | 'error' | 'interrupted' | 'limit' | 'waiting' | 'paused' | 'spent';

/** Whether a run is halted: it is to pause, and its iteration is over. */
export function isPaused(run: RunModel): boolean {
  if (run.steered?.paused !== true) {
    return false;
  }
  const { root } = run.tree;
  return root !== null && !isWorking(root);
}

/** Whether anything is done in a span: between two iterations of a run nothing is. */
function isWorking(span: Span): boolean {
  const running = span.children.filter(child => child.status === 'running');
  return running.length > 0 ? running.some(isWorking) : span.kind !== 'run';
}

/** How the open run stands. */
export function standingOf(model: PanelModel, run: RunModel): Standing {
  const status = run.run?.status ?? 'running';
  if (status === 'ok') {
    return run.tree.root !== null && isOutOfIterations(run.tree.root) ? 'spent' : status;
  }
  if (status !== 'running') {
    return status;
  }
  return model.review !== null ? 'waiting' : isPaused(run) ? 'paused' : status;
}
