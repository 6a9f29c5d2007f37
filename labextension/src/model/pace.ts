/** How often something is done that many ask for. */
import type { IDisposable } from '@lumino/disposable';

/**
 * Does some work when asked to: at once, but never twice at a time, and not more often than every `interval` milliseconds.
 * Whoever asks while it is under way has it done once more. The work sees to its own failures.
 */
export class Pace implements IDisposable {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private isUnderWay = false;
  private isDue = false;
  private last = -Infinity;
  private _isDisposed = false;

  constructor(
    private readonly work: () => Promise<void> | void,
    private readonly interval: number
  ) {}

  /** Whether nothing is done any more. */
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Has the work done, now or as soon as it may be. */
  ask(): void {
    this.isDue = true;
    if (this._isDisposed || this.isUnderWay || this.timer !== null) {
      return;
    }
    const wait = this.last + this.interval - Date.now();
    // A clock that was set back must not make anybody wait for the time that it was ahead.
    if (wait <= 0 || wait > this.interval) {
      void this.run();
    } else {
      this.timer = setTimeout(() => void this.run(), wait);
    }
  }

  /** Has nothing done any more. */
  dispose(): void {
    this._isDisposed = true;
    this.stopWaiting();
  }

  private async run(): Promise<void> {
    this.stopWaiting();
    this.isUnderWay = true;
    this.isDue = false;
    this.last = Date.now();
    try {
      await this.work();
    } finally {
      this.isUnderWay = false;
      if (this.isDue) {
        this.ask();
      }
    }
  }

  private stopWaiting(): void {
    if (this.timer !== null) {
      clearTimeout(this.timer);
      this.timer = null;
    }
  }
}
