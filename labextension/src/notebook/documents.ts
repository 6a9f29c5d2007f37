/** Documents of the user: the notebook that a run belongs to, and its trace notebook. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

/** Opens notebooks. */
export class Documents {
  /** Without a document manager, as in a small front end, only what is open can be shown. */
  constructor(
    private readonly shell: JupyterFrontEnd.IShell,
    private readonly tracker: INotebookTracker,
    private readonly docManager: IDocumentManager | null
  ) {}

  /** Show a notebook, and return it; null when it cannot be shown here, or opens in another window. */
  async notebook(path: string): Promise<NotebookPanel | null> {
    const opened = this.tracker.find(panel => panel.context.localPath === path);
    if (opened) {
      this.shell.activateById(opened.id);
      return opened;
    }
    this.docManager?.openOrReveal(path);
    const panel = this.tracker.find(made => made.context.localPath === path) ?? null;
    await panel?.context.ready;
    return panel;
  }

  /** Show any document; false when nothing here can. */
  open(path: string): boolean {
    this.docManager?.openOrReveal(path);
    return this.docManager !== null;
  }
}
