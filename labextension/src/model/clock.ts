import type { Span } from './span';

/** A round time on a scale: where it stands, from 0 to 1, and how many seconds after the beginning that is. */
export interface Tick {
  position: number;
  seconds: number;
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The steps of more than a minute that people count in. */
const LONG_STEPS = [1, 2, 5, 10, 15, 30]
  .map(minutes => minutes * MINUTE)
  .concat([1, 2, 3, 6, 12].map(hours => hours * HOUR));

/** What a waterfall's width stands for: from one moment to another, in seconds since the epoch. */
export class Scale {
  readonly begin: number;
  readonly end: number;

  constructor(begin: number, end: number) {
    this.begin = Number.isFinite(begin) ? begin : 0;
    this.end = Number.isFinite(end) ? Math.max(end, this.begin) : this.begin;
  }

  /** Return the scale of a run, which grows until the run ends. */
  static of(root: Span | null, now: number): Scale {
    return root === null ? new Scale(now, now) : new Scale(root.started, root.ended ?? now);
  }

  /** How many seconds it spans. */
  get seconds(): number {
    return this.end - this.begin;
  }

  /** Return where a moment stands, from 0 to 1; what lies outside stands at the rim. */
  position(time: number): number {
    const position = (time - this.begin) / this.seconds;
    return Number.isFinite(position) ? Math.min(1, Math.max(0, position)) : 0;
  }

  /** Return round times on the scale, the beginning among them: `most` of them and seldom fewer than half of that. */
  ticks(most = 4): Tick[] {
    const step = this.seconds > 0 && most >= 2 ? roundStep(this.seconds / (most - 1)) : Infinity;
    const ticks = [{ position: 0, seconds: 0 }];
    // Times since the epoch are known to less than a microsecond.
    for (let number = 1; number * step <= this.seconds + 1e-6 && number < most; number++) {
      // Not by adding up: thirds and tenths would lose their roundness.
      const seconds = step < 1 ? number / Math.round(1 / step) : number * step;
      ticks.push({ position: Math.min(1, seconds / this.seconds), seconds });
    }
    return ticks;
  }
}

/** Return the smallest step that people count time in and that is not less than this many seconds. */
function roundStep(least: number): number {
  if (least > MINUTE / 2 && least <= HOUR * 12) {
    return LONG_STEPS.find(step => step >= least) ?? DAY;
  }
  const [unit, size] = least > HOUR * 12 ? [DAY, least / DAY] : [1, least];
  if (unit === 1 && size > 5) {
    return [10, 15, 20, 30].find(step => step >= size) ?? MINUTE;
  }
  const power = 10 ** Math.floor(Math.log10(size));
  const factor = [1, 2, 5].find(each => each * power >= size * (1 - 1e-9)) ?? 10;
  return Math.max(1e-6, factor * power) * unit;
}

/**
 * The kernel's clock as the browser can tell it; all times are in seconds since the epoch.
 *
 * An event is never heard before it happened. So the kernel's clock is ahead of the browser's by at least the
 * difference between an event's time and the moment when it was heard, and by little more when it was heard at once.
 */
export class KernelClock {
  private static readonly _REMEMBERED = 20;
  private _last = -Infinity;
  private _least = 0;
  private readonly _live: number[] = [];

  /**
   * Take note of the latest time that events told, at the moment when they were heard.
   *
   * `live` says that they were heard as soon as they happened; what is fetched when a run is opened, or after a break,
   * tells only how far behind the clock cannot be. Without a word the first are not live, and all others are.
   */
  heard(lastTime: number, browserNow: number, live = this._last > -Infinity): void {
    if (!Number.isFinite(lastTime) || !Number.isFinite(browserNow) || lastTime <= this._last) {
      return;
    }
    this._last = lastTime;
    const ahead = lastTime - browserNow;
    if (live) {
      this._live.push(ahead);
      this._live.splice(0, this._live.length - KernelClock._REMEMBERED);
    } else {
      this._least = Math.max(this._least, ahead);
    }
  }

  /** Return what the kernel's clock shows, which is never before the last event. */
  now(browserNow: number): number {
    // Clocks agree as a rule, so they do until events say otherwise.
    const ahead = this._live.length > 0 ? Math.max(...this._live) : this._least;
    return Math.max(browserNow + ahead, this._last);
  }
}
