import type { Span, SpanStatus } from './span';

/** How many spans of a sort there are, and how they stand; `stopped` were interrupted or reached a limit. */
export interface Count {
  all: number;
  running: number;
  ok: number;
  failed: number;
  stopped: number;
}

/** What a run's header counts: sub-calls and child runs at any depth, and the root's own iterations. */
export interface Counts {
  subcalls: Count;
  children: Count;
  iterations: number;
}

const STANDING: Record<SpanStatus, keyof Count> = {
  running: 'running',
  ok: 'ok',
  error: 'failed',
  interrupted: 'stopped',
  limit: 'stopped'
};

/** Counts the spans of a tree, and knows which of them run. */
export class Tally {
  readonly counts: Counts = { subcalls: none(), children: none(), iterations: 0 };
  readonly models = new Set<string>();
  readonly running = new Set<Span>();

  /** Count a span as it stands. */
  add(span: Span): void {
    this._count(span, 1);
    if (span.model !== null) {
      this.models.add(span.model);
    }
    if (span.status === 'running') {
      this.running.add(span);
    }
  }

  /** Take back that a span was counted, because it changes. */
  remove(span: Span): void {
    this._count(span, -1);
    this.running.delete(span);
  }

  /** End at this moment what runs, as interrupted, and return how many spans that were. */
  interrupt(ended: number): number {
    const open = [...this.running];
    for (const span of open) {
      this.remove(span);
      span.status = 'interrupted';
      span.ended = Math.max(ended, span.started);
      this.add(span);
    }
    return open.length;
  }

  /** Return the span that began last of those that run. */
  newest(): Span | null {
    let newest: Span | null = null;
    for (const span of this.running) {
      newest = newest === null || span.seq > newest.seq ? span : newest;
    }
    return newest;
  }

  private _count(span: Span, by: 1 | -1): void {
    if (span.kind === 'iteration' && span.depth === 1) {
      this.counts.iterations += by;
    } else if (span.kind === 'subcall' || (span.kind === 'run' && span.depth > 0)) {
      const count = span.kind === 'subcall' ? this.counts.subcalls : this.counts.children;
      count.all += by;
      count[STANDING[span.status]] += by;
    }
  }
}

function none(): Count {
  return { all: 0, running: 0, ok: 0, failed: 0, stopped: 0 };
}
