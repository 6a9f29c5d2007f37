/** Gets a run's events into its tree: all that there are at first, and then what is new, late or different. */
import type { Api } from '../api/client';
import type { Run, SpanEvent, SpansPage } from '../api/types';
import { type Range, below, without } from './numbers';
import type { SpanTree } from './tree';

/** Events of a page: as many as the server gives. */
const PAGE = 5000;

/** Requests at once, while a run is opened. */
const AT_ONCE = 4;

/** How a run stood when the server answered last. */
export type Standing = Pick<SpansPage, 'status' | 'whole' | 'last_seq'>;

/** What is known of a run before its events are here. */
export type Known = Pick<Run, 'last_seq'> &
  Partial<Pick<Run, 'iterations' | 'subcalls' | 'children'>>;

/** The events of one run. One of its methods may be under way at a time; what they throw are `ApiError`s. */
export class SpanFeed {
  private next = 0;
  private missing: Range[] = [];
  private _standing: Standing | null = null;
  /** How the run stood when its first page came, of however many attempts. */
  private first: Standing | null = null;

  /** `signal` calls off what is under way. */
  constructor(
    private readonly api: Pick<Api, 'spans'>,
    private readonly runId: string,
    private readonly tree: SpanTree,
    private readonly signal?: AbortSignal
  ) {}

  /** How the run stood at last; null before anything came. */
  get standing(): Standing | null {
    return this._standing;
  }

  /** Fetches all events, several pages at once; `onPage` is called as they come. */
  async load(known: Known, onPage: () => void): Promise<void> {
    const standing = await this.all(known, (events, page) => {
      this.first ??= page;
      this.tree.take(events);
      onPage();
    });
    if (isRevived(this.first ?? standing, standing)) {
      await this.loadAnew(standing);
    }
  }

  /** Fetches a page of what is new, and what came late; returns whether there is more of it. */
  async advance(): Promise<boolean> {
    const since = this.next;
    const page = await this.api.spans(this.runId, since, PAGE, this.signal);
    if (this._standing !== null && isRevived(this._standing, page)) {
      await this.loadAnew(page);
      return true;
    }
    this.tree.take(page.events);
    for (const [from, to] of without(this.missing, page.missing)) {
      await this.stretch(from, to + 1, events => this.tree.take(events));
    }
    // Only now: where what came late cannot be had, it stays on the list, and the page is asked for again.
    this.next = page.next;
    this.missing = below(page.missing, page.next);
    this._standing = page;
    return page.more;
  }

  /** What was there is not what is there now: it stays until everything has come anew. */
  private async loadAnew(known: Known): Promise<void> {
    const events: SpanEvent[] = [];
    await this.all(known, page => {
      for (const event of page) {
        events.push(event);
      }
    });
    this.tree.clear();
    this.tree.take(events);
  }

  /** Fetches the whole run, and returns how it stood at last. */
  private async all(
    known: Known,
    take: (events: SpanEvent[], page: SpansPage) => void
  ): Promise<Standing> {
    const width = widthOf(known);
    const starts: number[] = [];
    for (let start = 0; start <= Math.max(known.last_seq, 0); start += width) {
      starts.push(start);
    }
    const pages: SpansPage[] = new Array<SpansPage>(starts.length);
    const missing: Range[][] = new Array<Range[]>(starts.length);
    let at = 0;
    const work = async (): Promise<void> => {
      while (at < starts.length) {
        const lane = at++;
        const end = lane + 1 < starts.length ? starts[lane + 1] : Infinity;
        await this.stretch(starts[lane], end, (events, page) => {
          // What a page did not have was missing when it was made, whatever later ones say.
          missing[lane] ??= below(without(page.missing, [[0, starts[lane] - 1]]), end);
          pages[lane] = page;
          take(events, page);
        });
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    } finally {
      // Where one failed, the others begin no more pages.
      at = starts.length;
    }
    const last = pages[pages.length - 1];
    this.next = last.next;
    this.missing = below(missing.flat(), last.next);
    this._standing = last;
    return last;
  }

  /** Fetches the events with numbers from `start` to before `end`. */
  private async stretch(
    start: number,
    end: number,
    take: (events: SpanEvent[], page: SpansPage) => void
  ): Promise<void> {
    let since = start;
    let page: SpansPage;
    do {
      page = await this.api.spans(this.runId, since, Math.min(PAGE, end - since), this.signal);
      take(page.events, page);
      since = page.next;
    } while (page.more && since < end);
  }
}

/** Whether a run whose kernel seemed gone went on after all: then the ends that had been made up for it are no more. */
function isRevived(before: Standing, now: Standing): boolean {
  if (now.last_seq < before.last_seq) {
    return true;
  }
  const madeUp = before.status === 'interrupted' && !before.whole;
  return madeUp && (now.status !== 'interrupted' || now.whole || now.last_seq !== before.last_seq);
}

/**
 * Over how many numbers a page's events are spread: texts have numbers too, so a page reaches further than it has events.
 * Where the guess is wrong, some events come twice, or a page more is asked for.
 */
function widthOf(known: Known): number {
  const { last_seq, iterations = 0, subcalls = 0, children = 0 } = known;
  const events = 2 * (1 + children + 3 * iterations + subcalls);
  const share = iterations > 0 ? Math.min(1, events / (last_seq + 1)) : 1;
  return Math.max(PAGE, Math.floor((0.9 * PAGE) / Math.max(share, 0.1)));
}
