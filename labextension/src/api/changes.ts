/** What the server announces on its event bus, and when something of it may have been missed. */
import type { Event } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Api } from './client';
import type { Change } from './types';

/** The schema of the announcements. */
export const SCHEMA_ID = 'urn:rlm-jupyter:changes:v1';

/** Milliseconds between two looks at the clock. */
const LOOK = 5_000;

/** Milliseconds by which a look may be late; a machine that slept is later. Hidden pages look once a minute. */
const LATE = 70_000;

/** How often it is tried whether a server that was not reached is back, in milliseconds. */
const TRYING = { interval: 1_000, backoff: 1.5, max: 10_000 };

const KINDS: readonly string[] = ['run', 'session', 'notebook'];
const ACTIONS: readonly string[] = ['began', 'advanced', 'steered', 'ended', 'deleted', 'moved'];
const STATUSES: readonly unknown[] = ['ok', 'error', 'interrupted', 'limit', null, undefined];

/** What `Changes` listens to besides the bus. */
export interface Sources {
  /** The event bus, as Lab is connected to it. */
  events: Event.IManager;
  /** Tells when the server is reached again. */
  api: Api;
  /** Tells that Lab's own requests fail: its `serviceManager.connectionFailure`. */
  failure?: ISignal<unknown, Error>;
}

/**
 * The announcements as a signal. `doubtful` says that some may have been missed: whoever shows anything fetches it anew.
 *
 * Lab connects to the bus again by itself, and does not say when: within half a minute of a server's return, and only
 * while the page is visible. So what is shown is fetched now and then in any case. While the server is not reached, here
 * alone it is tried whether it is back.
 */
export class Changes implements IDisposable {
  private readonly _changed = new Signal<this, Change>(this);
  private readonly _doubtful = new Signal<this, void>(this);
  private readonly _timer: ReturnType<typeof setInterval>;
  private readonly trying: Poll;
  private _looked = Date.now();
  private _isDisposed = false;

  constructor(sources: Sources) {
    const { api } = sources;
    this.trying = new Poll({
      name: 'rlm-jupyter:server',
      auto: false,
      factory: () => this.try(api),
      frequency: TRYING
    });
    sources.events.stream.connect(this.onEvent, this);
    sources.api.reached.connect(this.onReached, this);
    sources.failure?.connect(this.doubt, this);
    document.addEventListener('visibilitychange', this.onVisibility);
    window.addEventListener('online', this.doubt);
    window.addEventListener('pageshow', this.onShown);
    this._timer = setInterval(this.look, LOOK);
  }

  /** Emitted with each announcement. */
  get changed(): ISignal<this, Change> {
    return this._changed;
  }

  /** Emitted when announcements may have been missed. */
  get doubtful(): ISignal<this, void> {
    return this._doubtful;
  }

  /** Whether it listens no more. */
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Listens no more. */
  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    clearInterval(this._timer);
    this.trying.dispose();
    document.removeEventListener('visibilitychange', this.onVisibility);
    window.removeEventListener('online', this.doubt);
    window.removeEventListener('pageshow', this.onShown);
    Signal.clearData(this);
  }

  private onEvent(_: unknown, emission: Event.Emission): void {
    if (emission.schema_id === SCHEMA_ID && isChange(emission)) {
      this._changed.emit(emission);
    }
  }

  private onReached(_: Api, isReached: boolean): void {
    if (isReached) {
      this.doubt();
    } else {
      void this.trying.schedule({ phase: 'started', interval: TRYING.interval });
    }
  }

  /** Ask until the extension answers: a server that has just started may do so before it does. */
  private async try(api: Api): Promise<void> {
    await api.health();
    void this.trying.stop();
    this.doubt();
  }

  private readonly onVisibility = (): void => {
    if (document.visibilityState === 'visible') {
      this.doubt();
    }
  };

  private readonly onShown = (event: PageTransitionEvent): void => {
    if (event.persisted) {
      this.doubt();
    }
  };

  private readonly look = (): void => {
    const now = Date.now();
    const late = now - this._looked - LOOK;
    this._looked = now;
    if (late > LATE || (late > LOOK && document.visibilityState === 'visible')) {
      this.doubt();
    }
  };

  private readonly doubt = (): void => {
    this._looked = Date.now();
    this._doubtful.emit();
  };
}

function isChange(value: object): value is Change & Event.Emission {
  const change = value as Record<string, unknown>;
  return (
    KINDS.includes(change.kind as string) &&
    ACTIONS.includes(change.action as string) &&
    (change.kind !== 'run' || typeof change.run_id === 'string') &&
    (change.kind !== 'notebook' || typeof change.notebook_id === 'number') &&
    isOf(change.session_id, 'string') &&
    isOf(change.notebook_id, 'number') &&
    isOf(change.notebook, 'string') &&
    (change.last_seq === undefined || typeof change.last_seq === 'number') &&
    (change.whole === undefined || typeof change.whole === 'boolean') &&
    STATUSES.includes(change.status) &&
    (change.steered === undefined ||
      (typeof change.steered === 'object' && change.steered !== null))
  );
}

function isOf(value: unknown, type: 'string' | 'number'): boolean {
  return value === undefined || value === null || typeof value === type;
}
