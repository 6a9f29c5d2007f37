/** A notebook's sessions and runs, kept up to date. */
import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Changes } from '../api/changes';
import { ApiError, type Api } from '../api/client';
import type { Change, Run, Session } from '../api/types';
import { Pace } from './pace';

/** Runs of a page. */
const PAGE = 50;

/** Milliseconds between two fetches because a run began or ended, and because one only went on. */
const SOON = 200;
const LATER = 1_000;

/** Milliseconds after which it is fetched anyway, while a run is under way and otherwise: announcements can be lost. */
const LIVE = 5_000;
const IDLE = 30_000;

/** Milliseconds in which the server may not know yet that a notebook was renamed. */
const RENAMING = 5_000;

/** `loading`: nothing has come yet. `empty`: there are no runs. `no-server`: it is not reached, and asked again. */
export type NotebookState = 'loading' | 'ready' | 'empty' | 'failed' | 'no-server';

/** The runs of the notebook at a path, and the sessions that they belong to. */
export class NotebookModel implements IDisposable {
  private readonly _changed = new Signal<this, void>(this);
  private readonly _began = new Signal<this, string>(this);
  private readonly fetching = new Pace(() => this.fetch(), SOON);
  private readonly following = new Pace(() => this.fetching.ask(), LATER);
  private readonly poll: Poll;
  private _path: string;
  private _id: number | null = null;
  private _session: string | null = null;
  private _sessions: Session[] = [];
  private _runs: Run[] = [];
  private _next: string | null = null;
  private _state: NotebookState = 'loading';
  /** Whether the runs that are wanted have come once: what is new later has just begun. */
  private hasTaken = false;
  private _error: ApiError | null = null;
  private renamed = -Infinity;
  private asked = 0;
  private _isDisposed = false;

  constructor(
    private readonly api: Api,
    changes: Changes,
    path: string
  ) {
    this._path = path;
    changes.changed.connect(this.onChange, this);
    changes.doubtful.connect(this.refresh, this);
    this.poll = new Poll({
      name: 'rlm-jupyter:notebook',
      auto: false,
      factory: () => this.look(),
      frequency: { interval: LIVE, backoff: 2, max: IDLE },
      standby: 'when-hidden'
    });
    void this.poll.schedule({ phase: 'started', interval: LIVE });
    this.refresh();
  }

  /** Emitted when anything here is different. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted with the id of a run that begins, as soon as it is among the runs. */
  get began(): ISignal<this, string> {
    return this._began;
  }

  /** Where the notebook is, as the contents manager has it. */
  get path(): string {
    return this._path;
  }

  /** Its sessions, the last one first. */
  get sessions(): readonly Session[] {
    return this._sessions;
  }

  /** The session whose runs are listed; null: those of all. */
  get session(): string | null {
    return this._session;
  }

  /** Its runs, the last one first, as many as have been asked for. */
  get runs(): readonly Run[] {
    return this._runs;
  }

  /** Whether there are earlier runs. */
  get more(): boolean {
    return this._next !== null;
  }

  /** Where things stand. */
  get state(): NotebookState {
    return this._state;
  }

  /** What went wrong with the last request; null when nothing did. */
  get error(): ApiError | null {
    return this._error;
  }

  /** The same in words. */
  get problem(): string | null {
    return this._error?.message ?? null;
  }

  /** Whether it is not kept up to date any more. */
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Lists the runs of one session; null: of all. */
  choose(session: string | null): void {
    if (session !== this._session) {
      this._session = session;
      this._runs = [];
      this._next = null;
      this._state = 'loading';
      this.hasTaken = false;
      this.asked += 1;
      this.refresh();
      this._changed.emit();
    }
  }

  /** Notes that the notebook has another path: its runs stay, even where the server has yet to hear of it. */
  rename(path: string): void {
    if (path !== this._path) {
      this._path = path;
      this.renamed = Date.now();
      this.asked += 1;
      this.refresh();
      this._changed.emit();
    }
  }

  /** Fetches the runs that come after those that are here. */
  async loadMore(): Promise<void> {
    const before = this._next;
    const asked = this.asked;
    if (before === null) {
      return;
    }
    await this.heeding(async () => {
      const page = await this.api.runs(this._path, { ...this.chosen, before, limit: PAGE });
      if (asked === this.asked && before === this._next) {
        const known = new Set(this._runs.map(run => run.run_id));
        this._runs = [...this._runs, ...page.runs.filter(run => !known.has(run.run_id))];
        this._next = page.next;
      }
    });
  }

  /** Fetches what is new. */
  readonly refresh = (): void => {
    this.fetching.ask();
  };

  /** Keeps it up to date no more. */
  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this.poll.dispose();
      this.fetching.dispose();
      this.following.dispose();
      Signal.clearData(this);
    }
  }

  private get chosen(): { session?: string } {
    return this._session === null ? {} : { session: this._session };
  }

  private onChange(_: Changes, change: Change): void {
    const isHere =
      change.notebook === this._path || (this._id !== null && change.notebook_id === this._id);
    if (change.kind === 'notebook') {
      if (isHere && typeof change.notebook === 'string') {
        this.rename(change.notebook);
      }
      if (isHere) {
        this.refresh();
      }
    } else if (change.kind === 'run' && change.action === 'deleted') {
      this.drop(change.run_id!);
    } else if (isHere && change.action === 'advanced') {
      this.following.ask();
    } else if (isHere) {
      this.refresh();
    }
  }

  private drop(runId: string): void {
    const left = this._runs.filter(run => run.run_id !== runId);
    if (left.length < this._runs.length) {
      if (this._next === runId) {
        this._next = left.at(-1)?.run_id ?? null;
      }
      this._runs = left;
      this.refresh();
      this._changed.emit();
    }
  }

  private look(): Promise<void> {
    this.refresh();
    const interval = this._runs.some(run => run.status === null) ? LIVE : IDLE;
    this.poll.frequency = {
      interval: this._error === null ? interval : LIVE,
      backoff: 2,
      max: IDLE
    };
    return this._error === null ? Promise.resolve() : Promise.reject(this._error);
  }

  private async fetch(): Promise<void> {
    const asked = this.asked;
    await this.heeding(async () => {
      const [sessions, page] = await Promise.all([
        this.api.sessions(this._path),
        this.api.runs(this._path, { ...this.chosen, limit: PAGE })
      ]);
      if (asked === this.asked && !this.isUnheardOf(page.runs)) {
        this.take(sessions, page.runs, page.next);
      }
    });
  }

  /** Whether the server seems not to have heard yet that the notebook was renamed. */
  private isUnheardOf(runs: readonly Run[]): boolean {
    const isUnheardOf =
      runs.length === 0 && this._runs.length > 0 && Date.now() - this.renamed < RENAMING;
    if (isUnheardOf) {
      this.following.ask();
    }
    return isUnheardOf;
  }

  private take(sessions: Session[], runs: Run[], next: string | null): void {
    const before = new Set(this._runs.map(run => run.run_id));
    const isFirst = !this.hasTaken;
    this.hasTaken = true;
    this._sessions = sessions;
    // Earlier runs that were asked for stay below the first page; what the page spans is as it says.
    const last =
      next === null ? -1 : this._runs.findIndex(run => run.run_id === runs.at(-1)?.run_id);
    if (last >= 0) {
      this._runs = [...runs, ...this._runs.slice(last + 1)];
      this._next = this._runs.length > runs.length ? this._next : next;
    } else {
      this._runs = runs;
      this._next = next;
    }
    this._id = runs[0]?.notebook_id ?? sessions[0]?.notebook_id ?? this._id;
    this._state = this._runs.length > 0 || sessions.length > 0 ? 'ready' : 'empty';
    // A run can be over before it is heard of. Of several the last one is what happens now.
    const newest = runs[0];
    if (!isFirst && newest !== undefined && !before.has(newest.run_id)) {
      this._began.emit(newest.run_id);
    }
    if (runs.some(run => run.status === null && !before.has(run.run_id))) {
      void this.poll.schedule({ phase: 'started', interval: LIVE });
    }
  }

  /** Do some work, and note what went wrong. */
  private async heeding(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this._error = null;
      if (this._state === 'no-server' || this._state === 'failed') {
        this._state = this._runs.length > 0 ? 'ready' : 'loading';
      }
    } catch (error) {
      if (!(error instanceof ApiError)) {
        throw error;
      }
      this._error = error;
      this._state = error.status === 0 ? 'no-server' : 'failed';
    }
    if (!this._isDisposed) {
      this._changed.emit();
    }
  }
}
