/** The texts of a run, fetched when they are looked at, of which those are kept that were looked at last. */
import type { IDisposable } from '@lumino/disposable';
import { PromiseDelegate } from '@lumino/coreutils';
import { Signal, type ISignal } from '@lumino/signaling';

import { ApiError, type Api } from '../api/client';
import type { TextRecord } from '../api/types';
import { Pace } from './pace';

/** Characters that are kept. */
const LIMIT = 20_000_000;

/** By how many times what is being looked at may exceed that. */
const AT_MOST = 3;

/** Milliseconds for which a text counts as being looked at; it would be fetched again at once. */
const RECENT = 5_000;

const AT_ONCE = 6;

interface Kept {
  record: TextRecord;
  used: number;
}

/** The texts of one run, by digest. */
export class Texts implements IDisposable {
  private readonly _changed = new Signal<this, void>(this);
  private readonly kept = new Map<string, Kept>();
  private readonly problems = new Map<string, ApiError>();
  private readonly asked = new Map<string, PromiseDelegate<TextRecord>>();
  private readonly waiting: string[] = [];
  private readonly pace = new Pace(() => this._changed.emit(), 50);
  private readonly off = new AbortController();
  private underWay = 0;
  private _size = 0;

  constructor(
    private readonly api: Pick<Api, 'text'>,
    private readonly runId: string,
    private readonly limit = LIMIT
  ) {}

  /** Emitted when texts have come, or could not be had. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Characters that are kept. */
  get size(): number {
    return this._size;
  }

  /** Whether no more texts are fetched. */
  get isDisposed(): boolean {
    return this.pace.isDisposed;
  }

  /** The text, if it is here; else it is fetched, unless that failed before. */
  get(digest: string): TextRecord | undefined {
    const kept = this.kept.get(digest);
    if (kept !== undefined) {
      this.kept.delete(digest);
      this.kept.set(digest, kept);
      kept.used = Date.now();
      return kept.record;
    }
    if (!this.problems.has(digest)) {
      void this.fetch(digest).catch(() => undefined);
    }
    return undefined;
  }

  /** What kept the text from being had; undefined when nothing did, or when it is being fetched again. */
  problem(digest: string): ApiError | undefined {
    return this.problems.get(digest);
  }

  /** Fetches a text again that could not be had. */
  again(digest: string): void {
    if (this.problems.delete(digest)) {
      this.get(digest);
      this.pace.ask();
    }
  }

  /** Fetches again whatever could not be had: the server is back, or more has come. */
  allAgain(): void {
    for (const digest of [...this.problems.keys()]) {
      this.again(digest);
    }
  }

  /** The text, as soon as it is here; rejected with an `ApiError` when it cannot be had. */
  async whole(digest: string): Promise<TextRecord> {
    const record = this.get(digest);
    if (record === undefined) {
      this.problems.delete(digest);
      return this.fetch(digest);
    }
    return record;
  }

  /** Fetches nothing more, and keeps nothing. */
  dispose(): void {
    this.pace.dispose();
    this.off.abort();
    this.waiting.length = 0;
    this.kept.clear();
    this._size = 0;
    Signal.clearData(this);
  }

  private fetch(digest: string): Promise<TextRecord> {
    const asked = this.asked.get(digest);
    if (asked !== undefined) {
      return asked.promise;
    }
    const made = new PromiseDelegate<TextRecord>();
    this.asked.set(digest, made);
    this.waiting.push(digest);
    this.next();
    return made.promise;
  }

  private next(): void {
    while (this.underWay < AT_ONCE) {
      // What was asked for last is what is being looked at now.
      const digest = this.waiting.pop();
      if (digest === undefined) {
        return;
      }
      this.underWay += 1;
      void this.load(digest);
    }
  }

  private async load(digest: string): Promise<void> {
    const asked = this.asked.get(digest);
    try {
      const record = await this.api.text(this.runId, digest, this.off.signal);
      this.keep(digest, record);
      this.asked.delete(digest);
      asked?.resolve(record);
    } catch (error) {
      const problem = error instanceof ApiError ? error : new ApiError(0, String(error));
      this.problems.set(digest, problem);
      this.asked.delete(digest);
      asked?.reject(problem);
    }
    this.underWay -= 1;
    if (!this.isDisposed) {
      this.pace.ask();
      this.next();
    }
  }

  private keep(digest: string, record: TextRecord): void {
    if (this.isDisposed) {
      return;
    }
    this.kept.set(digest, { record, used: Date.now() });
    this._size += record.text.length;
    const recent = Date.now() - RECENT;
    for (const [oldest, { record: old, used }] of this.kept) {
      const room = used > recent ? this.limit * AT_MOST : this.limit;
      if (this._size <= room || oldest === digest) {
        return;
      }
      this.kept.delete(oldest);
      this._size -= old.text.length;
    }
  }
}
