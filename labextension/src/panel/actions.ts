/** What the panel asks of Lab; the views call it, the plugins implement it. */
import type { Decision, Format, Run, RunInFull } from '../api/types';

/** A run as the panel knows it, from a list or by itself. */
export type AnyRun = Run | RunInFull;

/** Where a file of a run goes: to the browser's downloads, or into the folder of the run's notebook. */
export type ExportPlace = 'download' | 'beside';

/** Everything that a button of the panel does outside of the panel. */
export interface Actions {
  /** Shows the cell that a run was asked in; quietly: the focus stays, and a cell that is gone is no news. */
  goToCell(run: AnyRun, options?: { quietly: boolean }): void;
  insertCode(code: string): void;
  openTrace(run: AnyRun): void;
  copy(text: string): void;
  copyLink(runId: string, spanId: string | null): void;
  /** The formats that a run can be had in; rejected with an error whose message is for the user. */
  formats(runId: string): Promise<readonly Format[]>;
  exportRun(runId: string, format: string, place: ExportPlace): void;
  /** Runs the code of a run once more, in a cell at the end of its notebook, with the recorded replies. */
  replayRun(run: AnyRun): void;
  /** Goes on with a run that was cut, in a cell at the end of its notebook. */
  resumeRun(run: AnyRun): void;
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
