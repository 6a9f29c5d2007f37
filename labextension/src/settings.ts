/** The user's settings, as `schema/plugin.json` has them. */
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';
import { PluginIDs } from './tokens';

/** What can be set. */
export interface Values {
  readonly follow: boolean;
  readonly openOnRun: boolean;
  readonly grouping: number;
  readonly review: boolean;
  readonly costInStatusBar: boolean;
}

const DEFAULTS: Values = {
  follow: true,
  openOnRun: false,
  grouping: 8,
  review: true,
  costInStatusBar: true
};

/** The settings as they are now; the defaults until they are known, and where there is no registry. */
export class Settings implements IDisposable {
  /** Read the settings from a registry. */
  constructor(registry: ISettingRegistry | null) {
    if (registry !== null) {
      void this._load(registry);
    }
  }

  /** Emitted when one is different. */
  get changed(): ISignal<this, Values> {
    return this._changed;
  }

  /** All of them. */
  get values(): Values {
    return this._values;
  }

  /** Whether they are not followed any more. */
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Follow them no more. */
  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._settings?.changed.disconnect(this._take, this);
      Signal.clearData(this);
    }
  }

  private async _load(registry: ISettingRegistry): Promise<void> {
    try {
      this._settings = await registry.load(PluginIDs.panel);
    } catch (error) {
      console.warn('The settings of rlm-jupyter cannot be read; the defaults hold.', error);
      return;
    }
    if (!this._isDisposed) {
      this._settings.changed.connect(this._take, this);
      this._take();
    }
  }

  private _take(): void {
    this._values = { ...DEFAULTS, ...(this._settings?.composite as Partial<Values>) };
    this._changed.emit(this._values);
  }

  private readonly _changed = new Signal<this, Values>(this);
  private _settings: ISettingRegistry.ISettings | null = null;
  private _values = DEFAULTS;
  private _isDisposed = false;
}
