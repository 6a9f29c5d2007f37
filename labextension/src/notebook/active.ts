/** The notebook that the user is at: its path, however it is renamed, and its kernel, however often it changes. */
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

/** Drives that are the server's own, by other ways: a notebook that several edit at once has the path that it has there. */
const SAME_FILES = ['', 'RTC'];

/** What is different: it is another notebook, or the same has another path or another kernel. */
export type Difference = 'notebook' | 'path' | 'kernel';

/** Return where a notebook is on the server; null for one on a drive that is elsewhere, of which it knows nothing. */
export function serverPath({ context }: NotebookPanel): string | null {
  const { path, localPath } = context;
  const drive = path.endsWith(`:${localPath}`) ? path.slice(0, -localPath.length - 1) : '';
  return SAME_FILES.includes(drive) ? localPath : null;
}

/** Follows the notebook that is the current one in Lab. */
export class ActiveNotebook implements IDisposable {
  /** Follow the tracker's current notebook. */
  constructor(tracker: INotebookTracker) {
    this._tracker = tracker;
    tracker.currentChanged.connect(this._follow, this);
    this._follow();
  }

  /** Emitted when another notebook is current, or the same has another path or kernel. */
  get changed(): ISignal<this, Difference> {
    return this._changed;
  }

  /** The notebook, or null when none is open. */
  get panel(): NotebookPanel | null {
    return this._panel;
  }

  /** Its path as the server's contents manager has it. */
  get path(): string | null {
    return this._panel && serverPath(this._panel);
  }

  /** The id of its kernel, or null when it has none. */
  get kernelId(): string | null {
    return this._panel?.sessionContext.session?.kernel?.id ?? null;
  }

  /** Whether it was disposed. */
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Follow no more. */
  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._leave();
      this._tracker.currentChanged.disconnect(this._follow, this);
      Signal.clearData(this);
    }
  }

  private _follow(): void {
    const panel = this._tracker.currentWidget;
    if (panel === this._panel) {
      return;
    }
    this._leave();
    this._panel = panel;
    panel?.context.pathChanged.connect(this._onPath, this);
    panel?.sessionContext.kernelChanged.connect(this._onKernel, this);
    this._changed.emit('notebook');
  }

  private _leave(): void {
    this._panel?.context.pathChanged.disconnect(this._onPath, this);
    this._panel?.sessionContext.kernelChanged.disconnect(this._onKernel, this);
    this._panel = null;
  }

  private _onPath(): void {
    this._changed.emit('path');
  }

  private _onKernel(): void {
    this._changed.emit('kernel');
  }

  private readonly _tracker: INotebookTracker;
  private readonly _changed = new Signal<this, Difference>(this);
  private _panel: NotebookPanel | null = null;
  private _isDisposed = false;
}
