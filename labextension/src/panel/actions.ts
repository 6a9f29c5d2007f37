/** What the panel asks of Lab; the views call it, the plugins implement it. */
import type { Decision, Run, RunInFull } from '../api/types';

/** A run as the panel knows it, from a list or by itself. */
export type AnyRun = Run | RunInFull;

/** The formats that a run can be saved in. */
export type ExportFormat = 'notebook' | 'markdown' | 'html' | 'jsonl' | 'trajectory';

/** Everything that a button of the panel does outside of the panel. */
export interface Actions {
  /** Shows the cell that a run was asked in; quietly: the focus stays, and a cell that is gone is no news. */
  goToCell(run: AnyRun, options?: { quietly: boolean }): void;
  insertCode(code: string): void;
  openTrace(run: AnyRun): void;
  copy(text: string): void;
  copyLink(runId: string, spanId: string | null): void;
  exportRun(runId: string, format: ExportFormat): void;
  interrupt(run: AnyRun): void;
  stop(run: AnyRun): void;
  pause(run: AnyRun): void;
  resume(run: AnyRun): void;
  note(run: AnyRun, text: string): void;
  decide(run: AnyRun, decision: Decision): void;
  newSession(): void;
  resumeSession(sessionId: string): void;
  deleteRun(run: AnyRun): void;
  /** Shows a run in a tab; it is not there in a front end without tabs. */
  openInTab?: (runId: string) => void;
  /** Shows the settings; it is not there in a front end without an editor for them. */
  openSettings?: () => void;
}
