/** A run as it is shown: its spans, its texts and how it stands, kept up to date while it is under way. */
import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Changes } from '../api/changes';
import { ApiError, type Api } from '../api/client';
import type { Change, Run, RunInFull, Steered } from '../api/types';
import { KernelClock } from './clock';
import { SpanFeed } from './feed';
import { Pace } from './pace';
import type { Found, RunOptions, RunState } from './runstate';
import { Texts } from './texts';
import { SpanTree } from './tree';

export type { Found, RunOptions, RunState } from './runstate';

/** Milliseconds between two fetches, and between two signals: five a second. */
const INTERVAL = 200;

/** Milliseconds between two looks at how the run stands. */
const RUN_INTERVAL = 500;

/** Milliseconds after which it is fetched anyway, while it is under way and otherwise: announcements can be lost. */
const LIVE = 5_000;
const IDLE = 30_000;

/** How often it is asked for a run that the server does not know, which may have just begun. */
const TRIES = 8;

/** One run. It fetches by itself until it is disposed. */
export class RunModel implements IDisposable {
  readonly runId: string;
  readonly tree = new SpanTree();
  readonly texts: Texts;
  private readonly api: Api;
  private readonly feed: SpanFeed;
  private readonly clock = new KernelClock();
  private readonly _changed = new Signal<this, void>(this);
  private readonly emitting = new Pace(() => this._changed.emit(), INTERVAL);
  private readonly fetching = new Pace(() => this.fetch(), INTERVAL);
  private readonly asking = new Pace(() => this.ask(), RUN_INTERVAL);
  private readonly poll: Poll;
  private readonly off = new AbortController();
  private _run: Run | RunInFull | null;
  private _steered: Steered | null = null;
  private _state: RunState = 'loading';
  /** What went wrong with the last request for its spans, and for itself. */
  private readonly errors: Record<'spans' | 'run', ApiError | null> = { spans: null, run: null };
  private _isComplete = false;
  private _isResting: boolean;
  private refusals = 0;
  private _isDisposed = false;

  constructor({ api, changes, runId, known = null, isResting = false }: RunOptions) {
    this.runId = runId;
    this.api = api;
    this._run = known;
    this._isResting = isResting;
    this.texts = new Texts(api, runId);
    this.feed = new SpanFeed(api, runId, this.tree, this.off.signal);
    changes.changed.connect(this.onChange, this);
    changes.doubtful.connect(this.onDoubt, this);
    this.poll = new Poll({
      name: 'rlm-jupyter:run',
      auto: false,
      factory: () => this.look(),
      frequency: { interval: LIVE, backoff: 2, max: IDLE },
      standby: () => this._isResting || this.needsNothing || 'when-hidden'
    });
    void this.poll.schedule({ phase: 'started', interval: LIVE });
    this.refresh();
  }

  /** Emitted when anything here is different, at most five times a second. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** What is known of the run, as of the last answer; null before there was one. */
  get run(): Run | RunInFull | null {
    return this._run;
  }

  /** How it is steered; null when it is not, or over. */
  get steered(): Steered | null {
    return this._state === 'live' ? this._steered : null;
  }

  /** Where things stand. */
  get state(): RunState {
    return this._state;
  }

  /** Whether all events that the server had have come once. */
  get isComplete(): boolean {
    return this._isComplete;
  }

  /** Whether there are events, but not the one with which the run began: then it cannot be shown. */
  get isHeadless(): boolean {
    return this._isComplete && this.tree.root === null && this.tree.orphans > 0;
  }

  /** Whether nobody looks at it: what is known of the run is kept up to date then, but its spans are not fetched. */
  get isResting(): boolean {
    return this._isResting;
  }

  /** What went wrong with the last request; null when nothing did. */
  get error(): ApiError | null {
    return this.errors.spans ?? this.errors.run;
  }

  /** The same in words. */
  get problem(): string | null {
    return this.error?.message ?? null;
  }

  /** Whether it is not kept up to date any more. */
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Seconds since the epoch by the kernel's clock; for a run that is over, when it ended. */
  now(): number {
    const ended = this.tree.root?.ended ?? this._run?.ended ?? null;
    const isUnderWay = this._state === 'live' || this._state === 'loading';
    return ended ?? (isUnderWay ? this.clock.now(Date.now() / 1000) : this.tree.lastTime);
  }

  /** Looks for words in the run. */
  async search(query: string): Promise<Found> {
    const { api, runId, off } = this;
    const { hits, more } = await api.searchRun(runId, query, { limit: 2000 }, off.signal);
    return { hits: new Set(hits.map(hit => hit.span_id)), more };
  }

  /** Says whether nobody looks at it. */
  rest(isResting: boolean): void {
    const isWaking = this._isResting && !isResting && !this._isDisposed;
    this._isResting = isResting;
    if (isWaking) {
      this.refresh();
    }
  }

  /** Fetches what is new. */
  refresh(): void {
    if (this._state !== 'gone') {
      this.fetching.ask();
      this.asking.ask();
    }
  }

  /** Keeps it up to date no more. */
  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this.off.abort();
    for (const part of [this.poll, this.fetching, this.asking, this.emitting, this.texts]) {
      part.dispose();
    }
    Signal.clearData(this);
  }

  private get needsNothing(): boolean {
    const standing = this.feed.standing;
    const isGivenUp = this._state === 'unknown' && this.refusals >= TRIES;
    return this._state === 'gone' || isGivenUp || (this.error === null && standing?.whole === true);
  }

  private onDoubt(): void {
    this.refresh();
    this.texts.allAgain();
  }

  private onChange(_: Changes, change: Change): void {
    if (change.kind === 'run' && change.run_id === this.runId) {
      if (change.action === 'deleted') {
        this.leave();
      } else if (change.action === 'steered' || (this._isResting && change.action === 'ended')) {
        this.asking.ask();
      } else {
        this.fetching.ask();
      }
    } else if (
      (change.kind === 'session' && change.session_id === this._run?.session_id) ||
      (change.kind === 'notebook' && change.notebook_id === this._run?.notebook_id)
    ) {
      this.asking.ask();
    }
  }

  /** Look whether anything was missed; a poll that fails waits longer for the next time. */
  private look(): Promise<void> {
    this.onDoubt();
    const interval = this._state === 'over' ? IDLE : LIVE;
    this.poll.frequency = { interval, backoff: 2, max: IDLE };
    return this.error === null ? Promise.resolve() : Promise.reject(this.error);
  }

  private async fetch(): Promise<void> {
    if (this._isResting) {
      return;
    }
    await this.heeding('spans', async () => {
      if (this._isComplete) {
        if (await this.feed.advance()) {
          this.fetching.ask();
        }
      } else {
        const known = (this._run ??= await this.api.run(this.runId, this.off.signal));
        await this.feed.load({ ...known, last_seq: known.last_seq ?? 0 }, () =>
          this.emitting.ask()
        );
        this._isComplete = true;
        this.fetching.ask();
      }
      this.heed();
    });
  }

  /** Take in how the run stands, as the answer with its events says. */
  private heed(): void {
    const { status, whole, last_seq } = this.feed.standing!;
    const isOver = status !== null;
    if (this._run !== null) {
      const differs = this._run.status !== status || this._run.whole !== whole;
      this._run = { ...this._run, status, whole, last_seq };
      if (differs) {
        this.asking.ask();
      }
    }
    if (isOver) {
      this.tree.adopt();
    } else if (this.tree.lastTime > 0) {
      this.clock.heard(this.tree.lastTime, Date.now() / 1000);
    }
    this.enter(isOver ? 'over' : 'live');
  }

  private ask(): Promise<void> {
    return this.heeding('run', async () => {
      const run = await this.api.run(this.runId, this.off.signal);
      const standing = this.feed.standing;
      this._run = run;
      this._steered = run.steered;
      const differs = standing?.status !== run.status || standing.whole !== run.whole;
      if (this._isComplete && differs) {
        this.fetching.ask();
      }
    });
  }

  /** Do some work, and note what went wrong. */
  private async heeding(what: 'spans' | 'run', work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.errors[what] = null;
    } catch (error) {
      if (!(error instanceof ApiError)) {
        throw error;
      }
      if (error.status === 404) {
        this.miss();
      } else if (!this._isDisposed) {
        this.errors[what] = error;
        this._state = this._isComplete ? this._state : 'failed';
      }
    }
    this.emitting.ask();
  }

  private enter(state: RunState): void {
    const isNews = state !== this._state;
    this._state = state;
    if (isNews && state === 'live' && !this._isDisposed) {
      void this.poll.schedule({ phase: 'started', interval: LIVE });
    }
  }

  /** The server does not know the run: it was deleted, if it was here at all. */
  private miss(): void {
    if (this._run !== null) {
      this.leave();
    } else {
      this._state = 'unknown';
      this.refusals += 1;
    }
  }

  private leave(): void {
    this._state = 'gone';
    Object.assign(this.errors, { spans: null, run: null });
    this.emitting.ask();
  }
}
