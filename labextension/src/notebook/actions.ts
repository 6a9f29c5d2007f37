/** What the panel and the commands do in Lab; what cannot be done is told in a notification. */
import { Clipboard, Notification } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { Api } from '../api/client';
import type { ControlRequest, Decision, Format } from '../api/types';
import type { PanelModel } from '../model/panel';
import type { Actions, AnyRun, ExportPlace } from '../panel/actions';
import { CommandIDs } from '../tokens';
import type { ActiveNotebook } from './active';
import { mayDelete } from './asking';
import { isStillAtIt, replayRun, resumeRun } from './again';
import { insertCode, revealCell, revealStep } from './cells';
import { notebookMeant, spansChosen, spanToShow, whereIs } from './chosen';
import { isTrace, whyNoTrace, type Documents } from './documents';
import { folderOf, saveBeside } from './beside';
import { download } from './download';
import { linkTo } from './links';
import { newSession, resumeSession } from './sessions';

/** Milliseconds that what is told stays: long enough to be read. */
const READING = 5000;

/** What is done in a notebook. */
type Act = (panel: NotebookPanel) => Promise<void>;

/** What the actions need. */
export interface ActionsOptions {
  api: Api;
  /** Return what the panel shows that the user is at. */
  model: () => PanelModel;
  active: ActiveNotebook;
  documents: Documents;
  contents: Contents.IManager;
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
    this._contents = options.contents;
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
        Notification.warning(await whyNoTrace(this._api, run, this._trans));
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
  copyLink(runId: string, spanId: string | null, notebook = whereIs(this._model(), runId)): void {
    Clipboard.copyToSystem(linkTo(notebook, runId, spanId));
    Notification.success(this._trans.__('The link is in the clipboard.'), { autoClose: 2000 });
  }

  /** Return the formats that a run can be had in. */
  formats(runId: string): Promise<readonly Format[]> {
    return this._api.artifacts(runId);
  }

  /** Save a run as a file, which never takes the place of another one. */
  exportRun(runId: string, format: string, place: ExportPlace = 'download'): void {
    void this._try(async () => {
      const { blob, name } = await this._api.artifact(runId, format);
      await (place === 'beside' ? this._saveBeside(runId, name, blob) : download(blob, name));
    });
  }

  /** Run a run's code once more with the recorded replies, in a cell at the end of its notebook. */
  replayRun(run: AnyRun): void {
    void this._inNotebookOf(run, panel => replayRun(panel, run.run_id));
  }

  /** Go on with a run that was cut, in a cell at the end of its notebook. */
  resumeRun(run: AnyRun): void {
    void this._inNotebookOf(run, async panel => {
      if (isStillAtIt(panel, run)) {
        this.tell(
          this._trans.__('The kernel may still be at this run: interrupt it, then resume the run.')
        );
      } else {
        await resumeRun(panel, run.run_id);
      }
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
      if (await mayDelete(run, this._trans)) {
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

  private async _saveBeside(runId: string, name: string, blob: Blob): Promise<void> {
    const notebook = await this._whereNow(runId);
    if (notebook !== null) {
      const path = await saveBeside(this._contents, folderOf(notebook), name, blob);
      this._documents.offer(this._trans.__('The run was saved as %1.', path), path, this._trans);
    }
  }

  /** Return where the notebook of a run is, however it was renamed; null, which is told, when it was deleted. */
  private async _whereNow(runId: string): Promise<string | null> {
    const { notebook } = await this._api.run(runId);
    if (notebook === null) {
      this.tell(this._trans.__('The notebook of this run was deleted.'));
    }
    return notebook;
  }

  private async _notebookOf(run: AnyRun): Promise<NotebookPanel | null> {
    if (run.notebook === null) {
      this.tell(this._trans.__('The notebook of this run was deleted.'));
      return null;
    }
    return this._documents.notebook(run.notebook);
  }

  private async _inNotebook(act: Act): Promise<void> {
    await this._try(async () => {
      const path = notebookMeant(this._model(), this._active);
      if (path === null) {
        this.tell(this._trans.__('Open a notebook first.'));
        return;
      }
      await this._at(path, act);
    });
  }

  private async _inNotebookOf(run: AnyRun, act: Act): Promise<void> {
    await this._try(async () => {
      const path = await this._whereNow(run.run_id);
      await (path !== null && this._at(path, act));
    });
  }

  private async _at(path: string, act: Act): Promise<void> {
    const isInFront = this._active.path === path;
    const panel = isInFront ? this._active.panel : await this._documents.notebook(path);
    if (panel !== null && isTrace(panel)) {
      this.tell(
        this._trans.__('This is a trace notebook, which is written anew. Open another one first.')
      );
    } else if (panel !== null) {
      await act(panel);
    }
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
  private readonly _contents: Contents.IManager;
  private readonly _commands: CommandRegistry;
  private readonly _trans: TranslationBundle;
}
