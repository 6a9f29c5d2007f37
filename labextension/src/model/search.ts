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

/** What somebody looks for in a run, and where it is. */
export class Search implements IDisposable {
  private readonly _changed = new Signal<this, void>(this);
  private readonly typed = new Debouncer(() => this.ask(), TYPING);
  private news: ReturnType<typeof setTimeout> | null = null;
  private run: RunModel | null = null;
  private size = 0;
  private asked = 0;
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
    this._problem = null;
    if (this.news !== null) {
      clearTimeout(this.news);
      this.news = null;
    }
  }

  private onNews(run: RunModel): void {
    if (this._hits !== null && this.news === null && run.tree.version !== this.size) {
      this.news = setTimeout(() => {
        this.news = null;
        void this.ask();
      }, NEWS);
    }
  }

  private async ask(): Promise<void> {
    const { run } = this;
    const query = this._query.trim();
    if (run === null || query === '' || this._isDisposed) {
      return;
    }
    const asked = ++this.asked;
    this.size = run.tree.version;
    try {
      const hits = await run.search(query);
      if (asked === this.asked) {
        this._hits = hits;
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
