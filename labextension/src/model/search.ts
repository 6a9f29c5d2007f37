/** A search in a run, which goes on while the run does. */
import { Debouncer } from '@lumino/polling';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import { ApiError } from '../api/client';
import type { RunModel } from './run';

/** Milliseconds without a keystroke after which the words are looked for. */
const TYPING = 200;

/** Milliseconds after new events until they are looked through. */
const NEWS = 1_500;

/** How many times as long as the last search took it takes at least until the next one that nobody asked for. */
const REST = 4;

/** What somebody looks for in a run, and where it is. */
export class Search implements IDisposable {
  private readonly _changed = new Signal<this, void>(this);
  private readonly typed = new Debouncer(() => this.ask(), TYPING);
  private news: ReturnType<typeof setTimeout> | null = null;
  private run: RunModel | null = null;
  private size = 0;
  private asked = 0;
  private isUnderWay = false;
  private isDue = false;
  /** Milliseconds that the last search took. */
  private took = 0;
  private _more = false;
  private _query = '';
  private _hits: ReadonlySet<string> | null = null;
  private _problem: string | null = null;
  private _isDisposed = false;

  /** Emitted when something was found, or nothing is looked for any more. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The words, as they were typed. */
  get query(): string {
    return this._query;
  }

  /** The ids of the spans in which the words are; null when none are looked for, or it is not known yet. */
  get hits(): ReadonlySet<string> | null {
    return this._hits;
  }

  /** Whether the words may be in other spans as well, because the server looked no further. */
  get more(): boolean {
    return this._more;
  }

  /** What kept the words from being looked for; null when nothing did. */
  get problem(): string | null {
    return this._problem;
  }

  /** Whether nothing is looked for any more. */
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Looks in this run; null: in none. */
  setRun(run: RunModel | null): void {
    this.run?.changed.disconnect(this.onNews, this);
    this.run = run;
    this.forget();
    run?.changed.connect(this.onNews, this);
    if (this._query.trim() !== '') {
      void this.ask();
    }
  }

  /** Looks for these words, once nothing more is typed. */
  setQuery(query: string): void {
    this._query = query;
    if (query.trim() === '') {
      this.forget();
      this._changed.emit();
    } else {
      void this.typed.invoke().catch(() => undefined);
    }
  }

  /** Looks for nothing any more. */
  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this.setRun(null);
      this.typed.dispose();
      Signal.clearData(this);
    }
  }

  private forget(): void {
    this.asked += 1;
    this._hits = null;
    this._more = false;
    this._problem = null;
    if (this.news !== null) {
      clearTimeout(this.news);
      this.news = null;
    }
  }

  private onNews(run: RunModel): void {
    const isIdle = this.news === null && !this.isUnderWay;
    if (this._hits !== null && isIdle && run.tree.version !== this.size) {
      const wait = Math.max(NEWS, REST * this.took);
      this.news = setTimeout(() => {
        this.news = null;
        void this.ask();
      }, wait);
    }
  }

  /** Look for the words now, or as soon as what is under way is over: the server may have much to read. */
  private async ask(): Promise<void> {
    this.isDue = true;
    if (this.isUnderWay) {
      return;
    }
    this.isUnderWay = true;
    try {
      while (this.isDue) {
        this.isDue = false;
        await this.askOnce();
      }
    } finally {
      this.isUnderWay = false;
    }
    if (this.run !== null && !this._isDisposed) {
      this.onNews(this.run);
    }
  }

  private async askOnce(): Promise<void> {
    const { run } = this;
    const query = this._query.trim();
    if (run === null || query === '' || this._isDisposed) {
      return;
    }
    const asked = ++this.asked;
    const began = Date.now();
    this.size = run.tree.version;
    try {
      const { hits, more } = await run.search(query);
      this.took = Date.now() - began;
      if (asked === this.asked) {
        this._hits = hits;
        this._more = more;
        this._problem = null;
      }
    } catch (error) {
      if (!(error instanceof ApiError)) {
        throw error;
      }
      if (asked === this.asked) {
        this._problem = error.message;
      }
    }
    if (!this._isDisposed) {
      this._changed.emit();
    }
  }
}
