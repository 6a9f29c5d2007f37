/** Documents of the user: the notebook that a run belongs to, and its trace notebook. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { type ISessionContext, Notification } from '@jupyterlab/apputils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Api } from '../api/client';
import type { AnyRun } from '../panel/actions';
import { serverPath } from './active';

/** Milliseconds that what is told stays: long enough to be read. */
const READING = 8000;

/** Opens notebooks. */
export class Documents {
  /** Without a document manager, as in a small front end, only what is open can be shown. */
  constructor(
    private readonly shell: JupyterFrontEnd.IShell,
    private readonly tracker: INotebookTracker,
    private readonly docManager: IDocumentManager | null
  ) {}

  /** Whether what is not open can be opened. */
  get canOpen(): boolean {
    return this.docManager !== null;
  }

  /** Show a notebook, and return it; null when it cannot be shown here, or opens in another window. */
  async notebook(
    path: string,
    kernel?: ISessionContext.IKernelPreference
  ): Promise<NotebookPanel | null> {
    const opened = this.find(path);
    if (opened) {
      this.shell.activateById(opened.id);
    } else {
      this.docManager?.openOrReveal(path, undefined, undefined, undefined, kernel);
    }
    const panel = this.find(path);
    return panel !== null && (await isReady(panel)) ? panel : null;
  }

  /** Tell of a file, and offer to open it where that can be. */
  offer(text: string, path: string, trans: TranslationBundle): void {
    const { docManager } = this;
    const open = { label: trans.__('Open'), callback: () => void docManager?.openOrReveal(path) };
    Notification.success(text, { autoClose: READING, actions: docManager === null ? [] : [open] });
  }

  /** Return the notebook at a path, if it is open. */
  find(path: string): NotebookPanel | null {
    return this.tracker.find(panel => serverPath(panel) === path) ?? null;
  }
}

/** Return whether a notebook tells its runs to a reader: what is inserted into one is lost when it is written again. */
export function isTrace(panel: NotebookPanel): boolean {
  const ours = panel.content.model?.getMetadata('rlm_jupyter') as { run_ids?: unknown } | undefined;
  return Array.isArray(ours?.run_ids);
}

/** Wait until a notebook is loaded; false when it cannot be: Lab tells why, and closes it. */
async function isReady(panel: NotebookPanel): Promise<boolean> {
  const { context } = panel;
  const gone = new Promise<boolean>(resolve => {
    context.disposed.connect(() => resolve(false));
    panel.disposed.connect(() => resolve(false));
  });
  const ready = context.ready.then(
    () => true,
    () => false
  );
  return !context.isDisposed && (await Promise.race([ready, gone]));
}

/** Return why there is no trace notebook of a run, in words for its user. */
export async function whyNoTrace(api: Api, run: AnyRun, trans: TranslationBundle): Promise<string> {
  if (run.notebook === null) {
    return trans.__('This run belongs to no notebook any more, so it has no trace notebook.');
  }
  const problem = (await api.health()).trace_files[run.notebook];
  return problem
    ? trans.__('The trace notebook could not be written: %1', problem)
    : trans.__(
        'There is no trace notebook of this notebook yet. It is written while a run is under way and when it ends, unless traces are turned off.'
      );
}
