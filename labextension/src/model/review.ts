/** Whether somebody looks at a kernel's runs here, so that its cells may wait for a decision about their code. */
import { UUID } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';

import { ApiError, type Api } from '../api/client';

/** Milliseconds after which it is said again; it holds for a minute. */
const AGAIN = 20_000;

/** Milliseconds after which it is tried again where that failed; twice as many each time, but not more than `LATEST`. */
const RETRY = 5_000;
const LATEST = 60_000;

/** Milliseconds until a kernel is told for the first time: the server may not have heard of it yet. */
const FIRST = 1_000;

/**
 * Says to a kernel that somebody decides about its code blocks, for as long as a panel shows its notebook: the panel is
 * visible, and so is the page. As soon as that is not so it says the opposite, for a cell would wait for nobody; but not while
 * the user has begun to change a block that waits, and only looks elsewhere meanwhile.
 *
 * A kernel that has not loaded the extension cannot be told; `speaks` says that it has.
 */
export class ReviewLease implements IDisposable {
  private readonly reviewerId = UUID.uuid4();
  private kernelId: string | null = null;
  private isVisible = false;
  private pinned: string | null = null;
  private hasLeft = false;
  private held: string | null = null;
  private refused: string | null = null;
  private hasSpoken = false;
  private isDue = false;
  private readonly told = new Set<string>();
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private work: Promise<void> = Promise.resolve();
  private _isDisposed = false;

  constructor(private readonly api: Pick<Api, 'putReviewer' | 'deleteReviewer' | 'reached'>) {
    api.reached.connect(this.onReached, this);
    document.addEventListener('visibilitychange', this.settle);
    window.addEventListener('pagehide', this.leave);
    window.addEventListener('pageshow', this.comeBack);
  }

  /** Whether nobody decides here any more. */
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Names the kernel whose notebook is shown; null: none. */
  watch(kernelId: string | null): void {
    if (kernelId !== this.kernelId) {
      this.kernelId = kernelId;
      this.refused = null;
      this.settle();
    }
  }

  /** Says whether the panel is visible. */
  setVisible(isVisible: boolean): void {
    if (isVisible !== this.isVisible) {
      this.isVisible = isVisible;
      this.settle();
    }
  }

  /** Names the kernel in whose code the user has begun to change something, as long as that is so; null: none. */
  pin(kernelId: string | null): void {
    if (kernelId !== this.pinned) {
      this.pinned = kernelId;
      this.settle();
    }
  }

  /** Notes that a kernel has said something: it can be told, even if it could not before. */
  speaks(kernelId: string): void {
    this.hasSpoken ||= kernelId === this.kernelId;
    if (kernelId === this.refused) {
      this.refused = null;
      this.settle();
    }
  }

  /** Decides nothing any more. */
  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this.stopWaiting();
      this.api.reached.disconnect(this.onReached, this);
      document.removeEventListener('visibilitychange', this.settle);
      window.removeEventListener('pagehide', this.leave);
      window.removeEventListener('pageshow', this.comeBack);
      this.settle();
    }
  }

  private get wanted(): string | null {
    if (this.pinned !== null && !this._isDisposed && !this.hasLeft) {
      return this.pinned;
    }
    const isShown = !this.hasLeft && document.visibilityState === 'visible';
    const isThere = !this._isDisposed && this.isVisible && isShown;
    return isThere && this.kernelId !== this.refused ? this.kernelId : null;
  }

  /** Brings about what is wanted now, after what is under way: a DELETE must not overtake a PUT. */
  private readonly settle = (): void => {
    this.work = this.work.then(() => this.settled());
  };

  private async settled(): Promise<void> {
    const wanted = this.wanted;
    if (this.held !== null && this.held !== wanted) {
      const left = this.held;
      this.held = null;
      this.stopWaiting();
      await this.sayGone(left);
    }
    if (wanted === null || wanted !== this.wanted) {
      return;
    }
    if (!this.told.has(wanted)) {
      this.told.add(wanted);
      this.wait(FIRST);
    } else if (this.isDue || (this.held === null && this.timer === null)) {
      await this.sayThere(wanted);
    }
  }

  private async sayThere(kernelId: string): Promise<void> {
    // It may have been noted even where no answer comes.
    this.held = kernelId;
    this.isDue = false;
    this.hasSpoken = false;
    this.stopWaiting();
    let again = AGAIN;
    try {
      await this.api.putReviewer(kernelId, this.reviewerId);
      this.failures = 0;
      this.isDue = false;
    } catch (error) {
      // A server that is not reached is not troubled before it is, or for long.
      again = Math.min(RETRY * 2 ** this.failures++, LATEST);
      const status = error instanceof ApiError ? error.status : 0;
      if (status >= 400 && status < 500) {
        this.held = null;
        this.failures = 0;
        if (this.hasSpoken) {
          this.settle();
        } else {
          this.refused = kernelId;
        }
        return;
      }
    }
    // The page may have gone in the meantime.
    if (this.held === kernelId) {
      this.wait(again);
    }
  }

  private wait(milliseconds: number): void {
    this.stopWaiting();
    this.isDue = false;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.isDue = true;
      this.settle();
    }, milliseconds);
  }

  private onReached(_: unknown, isReached: boolean): void {
    if (isReached && this.failures > 0) {
      this.failures = 0;
      this.isDue = true;
      this.settle();
    }
  }

  private async sayGone(kernelId: string): Promise<void> {
    try {
      await this.api.deleteReviewer(kernelId, this.reviewerId);
    } catch {
      // A server or a kernel that is not reached forgets this reviewer by itself, within a minute.
    }
  }

  /** The page goes, or is put aside: nothing that comes later can be relied on. */
  private readonly leave = (): void => {
    this.hasLeft = true;
    this.stopWaiting();
    if (this.held !== null) {
      const left = this.held;
      this.held = null;
      void this.sayGone(left);
    }
  };

  private readonly comeBack = (): void => {
    this.hasLeft = false;
    this.settle();
  };

  private stopWaiting(): void {
    if (this.timer !== null) {
      clearTimeout(this.timer);
      this.timer = null;
    }
  }
}
