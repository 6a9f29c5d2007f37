/** What the panel and the commands do in Lab; what cannot be done is told in a notification. */
import { Clipboard, Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { Api } from '../api/client';
import type { ControlRequest, Decision } from '../api/types';
import type { PanelModel } from '../model/panel';
import { plainLine } from '../model/plain';
import type { Actions, AnyRun } from '../panel/actions';
import { CommandIDs } from '../tokens';
import type { ActiveNotebook } from './active';
import { insertCode, revealCell, revealStep } from './cells';
import { isTrace, type Documents } from './documents';
import { download } from './download';
import { linkTo } from './links';
import { newSession, resumeSession } from './sessions';

/** Milliseconds that what is told stays: long enough to be read. */
const READING = 5000;

/** What the actions need. */
export interface ActionsOptions {
  api: Api;
  /** Return what the panel shows that the user is at. */
  model: () => PanelModel;
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
    this._model = options.model;
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
        this.tell(this._trans.__('The cell of this run is not in the notebook any more.'));
      }
    });
  }

  /** Insert code as a cell below the active one of the notebook that the panel shows, or of the run's. */
  insertCode(code: string): void {
    void this._inNotebook(panel => insertCode(panel, code));
  }

  /** Open the notebook that holds the trace of the run's notebook, at the chosen step of the run. */
  openTrace(run: AnyRun): void {
    void this._try(async () => {
      const path = run.trace_notebook ?? (await this._api.run(run.run_id)).trace_notebook;
      if (!path) {
        Notification.warning(await this._whyNoTrace(run));
        return;
      }
      // It is read, as a rule: who runs it starts a kernel then.
      const panel = await this._documents.notebook(path, { shouldStart: false });
      if (panel !== null) {
        await revealStep(panel, run.run_id, spansChosen(this._model(), run.run_id));
      } else if (!this._documents.canOpen) {
        Notification.info(this._trans.__('The trace notebook is at %1.', path));
      }
    });
  }

  /** Copy a text. */
  copy(text: string): void {
    Clipboard.copyToSystem(text);
  }

  /** Copy a link to a run, or to a span in it. */
  copyLink(runId: string, spanId: string | null, notebook = this._whereIs(runId)): void {
    Clipboard.copyToSystem(linkTo(notebook, runId, spanId));
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
          plainLine(run.question, 120)
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

  /** Show a run in a tab of the main area, at the chosen step; undefined where there are no tabs. */
  get openInTab(): Actions['openInTab'] {
    if (!this._commands.isVisible(CommandIDs.openInTab)) {
      return undefined;
    }
    return run_id => {
      const span_id = spanToShow(this._model(), run_id);
      void this._try(() => this._commands.execute(CommandIDs.openInTab, { run_id, span_id }));
    };
  }

  /** Show the settings of the extension; undefined where there is no editor for them. */
  get openSettings(): Actions['openSettings'] {
    return this._commands.isVisible(CommandIDs.openSettings)
      ? () => void this._try(() => this._commands.execute(CommandIDs.openSettings))
      : undefined;
  }

  /** Do something, and tell why when it cannot be done. */
  open(opening: () => Promise<unknown>): Promise<void> {
    return this._try(opening);
  }

  /** Tell the user something. */
  tell(text: string): void {
    Notification.info(text, { autoClose: READING });
  }

  private _control(run: AnyRun, request: ControlRequest): void {
    void this._try(async () => {
      const { note } = await this._api.control(run.run_id, request);
      if (note) {
        this.tell(note);
      }
    });
  }

  private async _notebookOf(run: AnyRun): Promise<NotebookPanel | null> {
    if (run.notebook === null) {
      this.tell(this._trans.__('The notebook of this run was deleted.'));
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

  /** Return where the notebook is that a run was asked in, as far as the panel knows. */
  private _whereIs(runId: string): string | null {
    const { notebook, run } = this._model();
    const listed = notebook?.runs.find(({ run_id }) => run_id === runId);
    const known = run?.runId === runId ? run.run : listed;
    return (known ?? listed)?.notebook ?? null;
  }

  private async _inNotebook(act: (panel: NotebookPanel) => Promise<void>): Promise<void> {
    await this._try(async () => {
      const path = notebookMeant(this._model(), this._active);
      if (path === null) {
        this.tell(this._trans.__('Open a notebook first.'));
        return;
      }
      const isInFront = this._active.path === path;
      const panel = isInFront ? this._active.panel : await this._documents.notebook(path);
      if (panel !== null && isTrace(panel)) {
        this.tell(
          this._trans.__('This is a trace notebook, which is written anew. Open another one first.')
        );
      } else if (panel !== null) {
        await act(panel);
      }
    });
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
  private readonly _model: () => PanelModel;
  private readonly _active: ActiveNotebook;
  private readonly _documents: Documents;
  private readonly _commands: CommandRegistry;
  private readonly _trans: TranslationBundle;
}

/** Return the id of the span at which a run is to be shown elsewhere; null when the panel goes along with the run. */
export function spanToShow(model: PanelModel, runId: string): string | null {
  const { run, span, follow } = model;
  const goesAlong = follow && run?.state === 'live';
  return run?.runId === runId && !goesAlong ? (span?.id ?? null) : null;
}

/** Return the ids of the chosen span of a run, and of those that it is in, from the inside out. */
function spansChosen({ run, span }: PanelModel, runId: string): string[] {
  const ids: string[] = [];
  for (let at = run?.runId === runId ? span : null; at !== null; at = at.parent) {
    ids.push(at.id);
  }
  return ids;
}

/** Return the path of the notebook in which a panel does something; null when there is none. */
export function notebookMeant(model: PanelModel, active: ActiveNotebook): string | null {
  if (model.notebook !== null) {
    return model.notebook.path;
  }
  return model.run === null ? active.path : (model.run.run?.notebook ?? null);
}
