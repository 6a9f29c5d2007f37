/** A kernel that the server cannot hear: what it said, on its way there, and what it is told. */
import type { JSONObject } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';

import { ApiError, type Api } from '../api/client';
import type { KernelLine } from './line';

/** Messages of a request: as many as the server takes. */
const BATCH = 200;

/** Characters of a request's messages, unless one alone has more; the server takes 32 million bytes. */
const BATCH_SIZE = 8_000_000;

/** Messages that may wait. The first ones go when there are more: the server asks for what it misses. */
const WAITING = 20_000;

/** Milliseconds until it is tried again where the server is busy, or not there: at first, and at most. */
const PAUSES = [500, 10_000] as const;

/** Milliseconds between two questions whether there is something for the kernel: while it talks, and otherwise. */
const ASKING = [1_000, 5_000] as const;

/** The same for a kernel that says nothing, on a page that nobody sees. */
const ASKING_HIDDEN = 30_000;

/** Milliseconds for which a kernel that has said something counts as one that talks. */
const TALKING = 60_000;

/** Milliseconds after which a server that has met no such kernel at first is asked again: it looks round every 5 s. */
const MEETING = 10_000;

/** What a kernel said, on its way to a server that has to be told. */
export class RelayedKernel implements IDisposable {
  /** Whether the server has to be told what this kernel says; null: that is not known yet. */
  private isNeeded: boolean | null = null;
  private hasGreeted = false;
  private readonly waiting: JSONObject[] = [];
  /** What is under way to the server, or has to go there again. */
  private going: JSONObject[] = [];
  private timer: ReturnType<typeof setTimeout> | null = null;
  private isUnderWay = false;
  private size = BATCH;
  private pause: number = PAUSES[0];
  private isPausing = false;
  private spoke = -Infinity;
  private hasAsked = false;
  private _isDisposed = false;

  /** `line` is the connection to the kernel over which it is heard and told. */
  constructor(
    private readonly api: Pick<Api, 'health' | 'relay'>,
    private readonly kernelId: string,
    public line: KernelLine
  ) {
    document.addEventListener('visibilitychange', this.onVisible);
  }

  /** Whether nothing is passed on any more. */
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Notes that the kernel has the extension, as one of its connections tells. */
  met(line: KernelLine): void {
    if (this.isNeeded === false) {
      line.spare();
    }
    this.hasten();
  }

  /** Notes what it said, over any of its connections: they all carry the same. */
  said(line: KernelLine, words: JSONObject): void {
    if (line !== this.line || this.isNeeded === false) {
      return;
    }
    this.hasGreeted ||= words?.type === 'hello';
    this.spoke = Date.now();
    this.waiting.push(words);
    if (this.waiting.length > WAITING) {
      this.waiting.shift();
    }
    this.hasten();
  }

  /** Notes that it begins anew, or that a connection went: over which it is heard is for the owner to say. */
  lost(line: KernelLine): void {
    if (line === this.line) {
      this.waiting.length = 0;
      this.going = [];
      this.hasGreeted = false;
    }
  }

  /** Notes that the server is reached again. It may be another one, which has heard nothing of this kernel. */
  serverIsBack(): void {
    this.hasGreeted = false;
    if (this.isNeeded === true) {
      this.introduce();
      this.wake(0);
    }
  }

  /** Passes on nothing more. */
  dispose(): void {
    this._isDisposed = true;
    document.removeEventListener('visibilitychange', this.onVisible);
    this.sleep();
  }

  private readonly onVisible = (): void => {
    if (document.visibilityState === 'visible' && this.isNeeded === true) {
      this.hasten();
    }
  };

  /** Have the kernel say hello where the page has not heard it: the server has to know how it is reached. */
  private introduce(): void {
    if (!this.hasGreeted && this.line.isMet) {
      this.hasGreeted = true;
      this.line.say({ type: 'introduce' });
    }
  }

  /** Go to work, unless the server is to be left alone for a while. */
  private hasten(): void {
    if (!this.isPausing) {
      this.wake(0);
    }
  }

  private wake(delay: number): void {
    if (this.isDisposed || this.isUnderWay || this.isNeeded === false) {
      return;
    }
    this.sleep();
    this.timer = setTimeout(() => void this.work(), delay);
  }

  private sleep(): void {
    if (this.timer !== null) {
      clearTimeout(this.timer);
      this.timer = null;
    }
  }

  private async work(): Promise<void> {
    this.isUnderWay = true;
    this.isPausing = false;
    let delay: number | null;
    try {
      delay = this.isNeeded === null ? await this.find() : await this.passOn();
    } catch (error) {
      if (!(error instanceof ApiError)) {
        throw error;
      }
      delay = this.heed(error.status);
    } finally {
      this.isUnderWay = false;
    }
    if (delay !== null) {
      this.wake(delay);
    }
  }

  /** Find out whether the server hears this kernel; few servers have any that they do not. */
  private async find(): Promise<number | null> {
    const { relayed } = (await this.api.health()).kernels as { relayed?: unknown };
    if (typeof relayed === 'number' && relayed > 0) {
      this.answer(await this.api.relay(this.kernelId, []));
      this.isNeeded = true;
      this.introduce();
      return 0;
    }
    if (this.hasAsked) {
      this.spare();
      return null;
    }
    this.hasAsked = true;
    this.isPausing = true;
    return MEETING;
  }

  /** Pass on what waits, or ask if there is something for the kernel. */
  private async passOn(): Promise<number> {
    if (this.going.length === 0) {
      this.going = this.batch();
    }
    const told = await this.api.relay(this.kernelId, this.going);
    this.going = [];
    this.size = BATCH;
    this.pause = PAUSES[0];
    this.answer(told);
    if (this.waiting.length > 0 || told.length > 0) {
      return 0;
    }
    if (Date.now() - this.spoke < TALKING) {
      return ASKING[0];
    }
    return document.visibilityState === 'hidden' ? ASKING_HIDDEN : ASKING[1];
  }

  private batch(): JSONObject[] {
    let room = BATCH_SIZE;
    let count = 0;
    for (const words of this.waiting.slice(0, this.size)) {
      room -= JSON.stringify(words).length;
      if (room < 0 && count > 0) {
        break;
      }
      count += 1;
    }
    return this.waiting.splice(0, count);
  }

  private answer(told: readonly object[]): void {
    for (const words of told) {
      this.line.say(words as JSONObject);
    }
  }

  /** What becomes of what waits when the server does not take it; returns when it is tried again. */
  private heed(status: number): number | null {
    if (status === 409 || status === 404 || status === 403) {
      this.spare();
      return null;
    }
    if (status === 413 || status === 400) {
      // One of them is too large, or not what it must be: the others are not to be lost with it.
      const { going } = this;
      this.going = [];
      if (going.length > 1) {
        this.size = Math.ceil(going.length / 2);
        this.waiting.unshift(...going);
      }
      return 0;
    }
    const { pause } = this;
    this.pause = Math.min(2 * pause, PAUSES[1]);
    this.isPausing = true;
    return pause;
  }

  private spare(): void {
    this.isNeeded = false;
    this.line.spare();
    this.waiting.length = 0;
    this.going = [];
  }
}
