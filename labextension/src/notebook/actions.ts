/** What the panel and the commands do in Lab; what cannot be done is told in a notification. */
import { Clipboard, Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { Api } from '../api/client';
import type { ControlRequest, Decision } from '../api/types';
import type { Actions, AnyRun } from '../panel/actions';
import { CommandIDs } from '../tokens';
import type { ActiveNotebook } from './active';
import { insertCode, revealCell } from './cells';
import type { Documents } from './documents';
import { download } from './download';
import { linkTo } from './links';
import { newSession, resumeSession } from './sessions';

/** What the actions need. */
export interface ActionsOptions {
  api: Api;
  active: ActiveNotebook;
  documents: Documents;
  commands: CommandRegistry;
  trans: TranslationBundle;
}

/** The panel's actions, done in Lab. */
export class LabActions implements Actions {
  /** See ActionsOptions. */
  constructor(options: ActionsOptions) {
    this._api = options.api;
    this._active = options.active;
    this._documents = options.documents;
    this._commands = options.commands;
    this._trans = options.trans;
  }

  /** Show the cell that a run was asked in; quietly only where its notebook is in front, and the focus stays. */
  goToCell(run: AnyRun, { quietly } = { quietly: false }): void {
    void this._try(async () => {
      if (quietly) {
        const front = this._active.path === run.notebook ? this._active.panel : null;
        await (front && run.cell_id !== null && revealCell(front, run.cell_id, false));
        return;
      }
      const panel = await this._notebookOf(run);
      if (panel === null) {
        return;
      }
      if (run.cell_id === null || !(await revealCell(panel, run.cell_id))) {
        Notification.info(this._trans.__('The cell of this run is not in the notebook any more.'));
      }
    });
  }

  /** Insert code as a cell below the active one. */
  insertCode(code: string): void {
    void this._inNotebook(panel => insertCode(panel, code));
  }

  /** Open the notebook that holds the trace of the run's notebook. */
  openTrace(run: AnyRun): void {
    void this._try(async () => {
      const path = run.trace_notebook ?? (await this._api.run(run.run_id)).trace_notebook;
      if (!path) {
        Notification.warning(await this._whyNoTrace(run));
      } else if (!this._documents.open(path)) {
        Notification.info(this._trans.__('The trace notebook is at %1.', path));
      }
    });
  }

  /** Copy a text. */
  copy(text: string): void {
    Clipboard.copyToSystem(text);
  }

  /** Copy a link to a run, or to a span in it. */
  copyLink(runId: string, spanId: string | null): void {
    Clipboard.copyToSystem(linkTo(this._active.path, runId, spanId));
    Notification.success(this._trans.__('The link is in the clipboard.'), { autoClose: 2000 });
  }

  /** Save a run as a file. */
  exportRun(runId: string, format: string): void {
    void this._try(async () => {
      const { blob, name } = await this._api.artifact(runId, format);
      download(blob, name);
    });
  }

  /** End a run at once. */
  interrupt(run: AnyRun): void {
    this._control(run, { action: 'interrupt' });
  }

  /** End a run after its iteration. */
  stop(run: AnyRun): void {
    this._control(run, { action: 'stop' });
  }

  /** Halt a run after its iteration. */
  pause(run: AnyRun): void {
    this._control(run, { action: 'pause' });
  }

  /** Let a halted run go on. */
  resume(run: AnyRun): void {
    this._control(run, { action: 'resume' });
  }

  /** Tell a run's model something before its next iteration. */
  note(run: AnyRun, text: string): void {
    this._control(run, { action: 'note', note: text });
  }

  /** Decide about a code block that waits. */
  decide(run: AnyRun, decision: Decision): void {
    this._control(run, { action: 'decide', decision });
  }

  /** Begin another conversation, in a cell at the end of the notebook. */
  newSession(): void {
    void this._inNotebook(newSession);
  }

  /** Go on with an earlier conversation, in a cell at the end of the notebook. */
  resumeSession(sessionId: string): void {
    void this._inNotebook(panel => resumeSession(panel, sessionId));
  }

  /** Delete a run, when the user says so. */
  deleteRun(run: AnyRun): void {
    void this._try(async () => {
      const { button } = await showDialog({
        title: this._trans.__('Delete this run?'),
        body: this._trans.__(
          '“%1” is deleted from the panel for good. The notebook and its trace notebook stay as they are.',
          shortened(run.question)
        ),
        buttons: [
          Dialog.cancelButton({ label: this._trans.__('Cancel') }),
          Dialog.warnButton({ label: this._trans.__('Delete') })
        ],
        defaultButton: 0
      });
      if (button.accept) {
        await this._api.deleteRun(run.run_id);
      }
    });
  }

  /** Show a run in a tab of the main area. */
  openInTab(runId: string): void {
    void this._try(() => this._commands.execute(CommandIDs.openInTab, { run_id: runId }));
  }

  /** Show the settings of the extension. */
  openSettings(): void {
    void this._try(() => this._commands.execute(CommandIDs.openSettings));
  }

  /** Open something, and tell why when it cannot be opened. */
  open(opening: () => Promise<unknown>): void {
    void this._try(opening);
  }

  private _control(run: AnyRun, request: ControlRequest): void {
    void this._try(async () => {
      const { note } = await this._api.control(run.run_id, request);
      if (note) {
        Notification.info(note);
      }
    });
  }

  private async _notebookOf(run: AnyRun): Promise<NotebookPanel | null> {
    if (run.notebook === null) {
      Notification.info(this._trans.__('The notebook of this run was deleted.'));
      return null;
    }
    return this._documents.notebook(run.notebook);
  }

  private async _whyNoTrace(run: AnyRun): Promise<string> {
    if (run.notebook === null) {
      return this._trans.__(
        'This run belongs to no notebook any more, so it has no trace notebook.'
      );
    }
    const problem = (await this._api.health()).trace_files[run.notebook];
    return problem
      ? this._trans.__('The trace notebook could not be written: %1', problem)
      : this._trans.__(
          'There is no trace notebook of this notebook yet. It is written while a run is under way and when it ends, unless traces are turned off.'
        );
  }

  private async _inNotebook(act: (panel: NotebookPanel) => Promise<void>): Promise<void> {
    const { panel } = this._active;
    if (panel === null) {
      Notification.info(this._trans.__('Open a notebook first.'));
      return;
    }
    await this._try(() => act(panel));
  }

  private async _try(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      Notification.error(error instanceof Error ? error.message : String(error), {
        autoClose: 8000
      });
    }
  }

  private readonly _api: Api;
  private readonly _active: ActiveNotebook;
  private readonly _documents: Documents;
  private readonly _commands: CommandRegistry;
  private readonly _trans: TranslationBundle;
}

function shortened(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}
