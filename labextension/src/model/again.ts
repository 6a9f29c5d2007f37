/** Runs that go on where others were cut. */
import type { Run } from '../api/types';

/** What must be known of a run to say whether it can go on. */
type Ended = Pick<Run, 'run_id' | 'status'>;

/** Whether a run is over and ended without an answer. */
export function isCut({ status }: Pick<Run, 'status'>): boolean {
  return status !== null && status !== 'ok';
}

/** The run among these, the last one first, that took a run up again last; null when none did. */
export function takenUpBy(runId: string, runs: readonly Run[]): Run | null {
  return runs.find(({ resumes }) => resumes === runId) ?? null;
}

/** Whether a run can be taken up again: it was cut, and no run that took it up is under way or has answered. */
export function canResume(run: Ended, runs: readonly Run[]): boolean {
  const isTaken = runs.some(other => other.resumes === run.run_id && !isCut(other));
  return isCut(run) && !isTaken;
}
