/** The relay: what a gateway's kernels say, whom the server cannot hear, is passed on to it, and its answers to them. */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Api } from '../api/client';
import { KernelLine } from './line';
import { RelayedKernel } from './relayed';

/** Hears the kernels of notebooks that are open, and passes on what the server cannot hear itself. */
export class Relay implements IDisposable {
  private readonly _met = new Signal<this, string>(this);
  private readonly lines = new Map<Kernel.IKernelConnection, KernelLine>();
  private readonly relayed = new Map<string, RelayedKernel>();
  private _isDisposed = false;

  constructor(private readonly api: Api) {
    api.reached.connect(this.onReached, this);
  }

  /** Emitted with the id of a kernel that has the extension: when it loads it, and when a page finds it there. */
  get met(): ISignal<this, string> {
    return this._met;
  }

  /** Whether it hears no kernel any more. */
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Hears the kernels of all notebooks that are open, and of those that will be. */
  follow(tracker: INotebookTracker): void {
    tracker.forEach(panel => this.attend(panel));
    tracker.widgetAdded.connect(this.onAdded, this);
  }

  /** Hears a kernel, once for each connection to it. */
  hear(kernel: Kernel.IKernelConnection | null): void {
    if (kernel === null || kernel.isDisposed || this._isDisposed || this.lines.has(kernel)) {
      return;
    }
    const line = new KernelLine(kernel);
    this.lines.set(kernel, line);
    kernel.disposed.connect(this.onKernelGone, this);
    line.met.connect(() => {
      this._met.emit(kernel.id);
      this.kernelOf(line).met(line);
    });
    line.said.connect((_, words) => this.kernelOf(line).said(line, words));
    line.lost.connect(() => this.relayed.get(kernel.id)?.lost(line));
  }

  /** Hears no kernel any more. */
  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      for (const part of [...this.relayed.values(), ...this.lines.values()]) {
        part.dispose();
      }
      Signal.clearData(this);
    }
  }

  private attend({ sessionContext }: NotebookPanel): void {
    sessionContext.kernelChanged.connect(this.onKernel, this);
    this.hear(sessionContext.session?.kernel ?? null);
  }

  private onAdded(_: INotebookTracker, panel: NotebookPanel): void {
    this.attend(panel);
  }

  private onKernel({ session }: ISessionContext): void {
    this.hear(session?.kernel ?? null);
  }

  private onKernelGone(kernel: Kernel.IKernelConnection): void {
    const line = this.lines.get(kernel);
    this.lines.delete(kernel);
    if (line !== undefined) {
      this.hand(line);
    }
  }

  private kernelOf(line: KernelLine): RelayedKernel {
    const { id } = line.kernel;
    let kernel = this.relayed.get(id);
    if (kernel === undefined) {
      kernel = new RelayedKernel(this.api, id, line);
      this.relayed.set(id, kernel);
    }
    return kernel;
  }

  /** Another notebook may have a connection to the same kernel. */
  private hand(line: KernelLine): void {
    const { id } = line.kernel;
    const kernel = this.relayed.get(id);
    if (kernel === undefined || kernel.line !== line) {
      return;
    }
    const other = [...this.lines.values()].find(one => one.kernel.id === id);
    if (other === undefined) {
      kernel.dispose();
      this.relayed.delete(id);
    } else {
      kernel.line = other;
    }
  }

  private onReached(_: Api, isReached: boolean): void {
    if (isReached) {
      this.relayed.forEach(kernel => kernel.serverIsBack());
    }
  }
}
