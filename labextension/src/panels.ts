/** The panels that there are: the one in the sidebar, and those in tabs. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';
import type { PanelModel } from './model/panel';
import type { Settings } from './settings';

/** A panel: what it shows, and the widget that shows it. */
export interface RunView {
  model: PanelModel;
  widget: Widget;
}

/** What the panels need. */
export interface PanelsOptions {
  shell: Pick<JupyterFrontEnd.IShell, 'currentWidget' | 'currentChanged'>;
  settings: Settings;
  /** Emits the ids of kernels that have the extension. */
  met: ISignal<unknown, string>;
}

/** Knows which panel the user is at, and tells all of them what is set and which kernels are there. */
export class Panels implements IDisposable {
  private readonly views: RunView[] = [];
  private readonly options: PanelsOptions;
  private readonly _changed = new Signal<this, void>(this);
  private _isDisposed = false;

  /** See PanelsOptions. */
  constructor(options: PanelsOptions) {
    this.options = options;
    options.settings.changed.connect(this.set, this);
    options.met.connect(this.onMet, this);
    options.shell.currentChanged?.connect(this.onChange, this);
  }

  /** Emitted when another panel is the current one, or anything in one is different. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** What the panel shows that has the focus, or else the tab in front, or else the sidebar: the first that was added. */
  get current(): PanelModel {
    const inFront = this.options.shell.currentWidget;
    const focused = this.views.find(({ widget }) => widget.node.contains(document.activeElement));
    const view = focused ?? this.views.find(({ widget }) => inFront?.contains(widget));
    return (view ?? this.views[0]).model;
  }

  /** What each panel shows. */
  get models(): readonly PanelModel[] {
    return this.views.map(({ model }) => model);
  }

  /** Whether they are told nothing any more. */
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Add a panel, until its widget is disposed of. */
  add(view: RunView): void {
    this.views.push(view);
    view.model.changed.connect(this.onChange, this);
    view.widget.disposed.connect(this.remove, this);
    this.set();
  }

  /** Tell them nothing any more. */
  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  private remove(widget: Widget): void {
    const index = this.views.findIndex(view => view.widget === widget);
    const [{ model }] = this.views.splice(index, 1);
    model.changed.disconnect(this.onChange, this);
  }

  private set(): void {
    for (const model of this.models) {
      model.setPreferences(this.options.settings.values);
    }
  }

  private onMet(_: unknown, kernelId: string): void {
    this.models.forEach(model => model.kernelSpeaks(kernelId));
  }

  private onChange(): void {
    if (this.views.length > 0) {
      this._changed.emit();
    }
  }
}
