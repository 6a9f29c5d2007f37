/** Documents of the user: the notebook that a run belongs to, and its trace notebook. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ISessionContext } from '@jupyterlab/apputils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { serverPath } from './active';

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
