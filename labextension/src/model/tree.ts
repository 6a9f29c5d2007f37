import type { SpanEnd, SpanEvent, SpanStart } from '../api/types';
import { type Counts, Tally } from './counts';
import { RollUp, innermostFailures } from './rollup';
import { ROOT_SPAN, isEnd, isText, kindOpened, parentOf, statusOf } from './soundness';
import { type Kind, Span, bySeq } from './span';
import { usageOfCall } from './usage';
import { Writing } from './written';

/**
 * The spans of one run, made of its events in whatever order they come.
 *
 * An end before its start and a child before its parent are kept until they fit. What never fits, because its parent
 * does not come or parents go round in a circle, is an orphan: `adopt` hangs it below the root when nothing more is to
 * be expected. Should the parent come all the same, the spans go to where they belong.
 */
export class SpanTree {
  private _version = 0;
  private _root: Span | null = null;
  private _lastTime = 0;
  private _size = 0;
  private _tally = new Tally();
  private _errors: readonly Span[] | null = null;
  private readonly _spans = new Map<string, Span>();
  /** Ends whose starts have not come, by span. */
  private readonly _ends = new Map<string, SpanEnd>();
  /** Spans whose parents have no place yet, by parent. */
  private readonly _waiting = new Map<string, Span[]>();
  /** The parents that adopted spans named, and that have not come. */
  private readonly _wanted = new Set<string>();
  private readonly _writing = new Writing();
  private readonly _sums = new RollUp();
  private readonly _unsorted = new Set<Span>();

  /** A number that changes with every change of the tree. */
  get version(): number {
    return this._version;
  }

  /** The run itself; null until its start has come. */
  get root(): Span | null {
    return this._root;
  }

  /** How many spans have their place in the tree. */
  get size(): number {
    return this._size;
  }

  /** How many spans are kept aside because what they belong to has not come. */
  get orphans(): number {
    return this._spans.size - this._size;
  }

  /** The latest time that an event told, by the kernel's clock; 0 before the first. */
  get lastTime(): number {
    return this._lastTime;
  }

  /** What the header counts. */
  get counts(): Readonly<Counts> {
    return this._tally.counts;
  }

  /** The models that runs and calls asked for. */
  get models(): ReadonlySet<string> {
    return this._tally.models;
  }

  /** The failed spans that contain no failed span, in the order of the tree. */
  get errors(): readonly Span[] {
    this._errors ??= this._root === null ? [] : innermostFailures(this._root);
    return this._errors;
  }

  /** Return the span of this id, when it has its place in the tree. */
  get(id: string): Span | undefined {
    const span = this._spans.get(id);
    return span?.placed ? span : undefined;
  }

  /** Return the span that began last of those that run now. */
  newestRunning(): Span | null {
    return this._tally.newest();
  }

  /** Take events in, each span's start and end once, and return how many of them were new. */
  take(events: readonly SpanEvent[]): number {
    let taken = 0;
    let displaced = false;
    for (const event of events) {
      const kind = kindOpened(event);
      if (kind !== null) {
        displaced ||= this._wanted.has(event.span_id) && !this._spans.has(event.span_id);
        taken += this._open(event as SpanStart, kind);
      } else if (isEnd(event)) {
        taken += this._end(event);
      } else if (isText(event)) {
        taken += this._writing.take(event);
      }
    }
    if (displaced) {
      this._plantAnew();
    }
    if (taken > 0) {
      this._settle();
    }
    return taken;
  }

  /**
   * Give all spans a place and an end, because nothing more is to be expected; return how many got one.
   *
   * What was kept aside hangs below the root then. What has no end in a run that has one was interrupted, as far as can
   * be told.
   */
  adopt(): number {
    const root = this._root;
    if (root === null) {
      return 0;
    }
    const placed = this._adoptOrphans(root);
    const ended = root.ended === null ? 0 : this._tally.interrupt(root.ended);
    if (placed + ended > 0) {
      this._settle();
    }
    return placed + ended;
  }

  /** Forget everything. */
  clear(): void {
    this._spans.clear();
    this._ends.clear();
    this._writing.clear();
    this._lastTime = 0;
    this._uproot();
    this._version++;
  }

  private _open(start: SpanStart, kind: Kind): number {
    if (this._spans.has(start.span_id)) {
      return 0;
    }
    const span = new Span(start, kind);
    this._spans.set(span.id, span);
    span.written = kind === 'model_call' ? this._writing.of(span.id) : null;
    this._hear(start.started);
    const end = this._ends.get(span.id);
    if (end !== undefined) {
      this._ends.delete(span.id);
      span.end = end;
    }
    this._plant(span);
    return 1;
  }

  private _end(end: SpanEnd): number {
    const span = this._spans.get(end.span_id);
    if (span === undefined ? this._ends.has(end.span_id) : span.end !== null) {
      return 0;
    }
    this._hear(end.ended);
    if (span === undefined) {
      this._ends.set(end.span_id, end);
      return 1;
    }
    span.end = end;
    if (span.placed) {
      this._tally.remove(span);
      this._close(span);
      this._tally.add(span);
      if (span.status === 'error' && span.parent !== null) {
        span.parent.revision++;
      }
    }
    return 1;
  }

  /** Give a span its place, or keep it until its parent has one. */
  private _plant(span: Span): void {
    const parent = span.id === ROOT_SPAN ? null : this._spans.get(parentOf(span));
    if (parent === null || parent?.placed) {
      this._place(span, parent);
    } else {
      const siblings = this._waiting.get(parentOf(span)) ?? [];
      siblings.push(span);
      this._waiting.set(parentOf(span), siblings);
    }
  }

  /** Place a span and all that waited for it. */
  private _place(top: Span, parent: Span | null): void {
    const pending: [Span, Span | null][] = [[top, parent]];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const [span, above] = next;
      if (span.placed) {
        continue;
      }
      this._join(span, above);
      for (const child of this._waiting.get(span.id) ?? []) {
        pending.push([child, span]);
      }
      this._waiting.delete(span.id);
    }
  }

  private _join(span: Span, parent: Span | null): void {
    span.placed = true;
    this._size++;
    if (parent === null) {
      this._root = span;
    } else {
      const before = parent.children.at(-1);
      if (before !== undefined && bySeq(before, span) > 0) {
        this._unsorted.add(parent);
      }
      parent.children.push(span);
      span.parent = parent;
      span.depth = parent.depth + 1;
      span.level = parent.level + (span.kind === 'run' ? 1 : 0);
    }
    span.started = Number.isFinite(span.start.started)
      ? span.start.started
      : (parent?.started ?? 0);
    this._close(span);
    this._tally.add(span);
  }

  private _adoptOrphans(root: Span): number {
    if (this.orphans === 0) {
      return 0;
    }
    const before = this._size;
    const left = [...this._spans.values()].filter(span => !span.placed).sort(bySeq);
    // First those of an unknown parent, with all that hangs on them; what is left then goes round in circles.
    for (const lost of [left.filter(span => !this._spans.has(parentOf(span))), left]) {
      for (const span of lost) {
        if (!span.placed) {
          this._wanted.add(parentOf(span));
          this._place(span, root);
        }
      }
    }
    return this._size - before;
  }

  /** Work out how a span with a place ended, if it has. */
  private _close(span: Span): void {
    const end = span.end;
    if (end === null) {
      return;
    }
    span.ended = Number.isFinite(end.ended) ? Math.max(end.ended, span.started) : span.started;
    span.status = statusOf(end);
    const usage = ['model_call', 'subcall'].includes(span.kind) ? usageOfCall(end) : null;
    const failures = span.status === 'error' ? 1 : 0;
    if (usage !== null || failures > 0) {
      this._sums.add(span, usage, failures);
    }
  }

  /** Put siblings in order, and bring the sums up to date. */
  private _settle(): void {
    for (const parent of this._unsorted) {
      parent.children.sort(bySeq);
      parent.revision++;
    }
    this._unsorted.clear();
    this._sums.settle();
    this._errors = null;
    this._version++;
  }

  /** Give every span its place again, because a parent came after its children had been adopted. */
  private _plantAnew(): void {
    this._uproot();
    const spans = [...this._spans.values()];
    for (const span of spans) {
      span.uproot();
    }
    for (const span of spans) {
      this._plant(span);
    }
    this.adopt();
  }

  private _uproot(): void {
    this._root = null;
    this._size = 0;
    this._tally = new Tally();
    this._errors = null;
    this._sums.clear();
    this._waiting.clear();
    this._wanted.clear();
    this._unsorted.clear();
  }

  private _hear(time: number): void {
    this._lastTime = Number.isFinite(time) ? Math.max(this._lastTime, time) : this._lastTime;
  }
}
