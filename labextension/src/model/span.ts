import type { ErrorRecord, SpanEnd, SpanStart } from '../api/types';
import { type Usage, noUsage } from './usage';
import type { Written } from './written';

/** What a span can be. */
export const KINDS = ['run', 'iteration', 'model_call', 'code', 'subcall'] as const;

/** What a span is. */
export type Kind = (typeof KINDS)[number];

/** How spans can stand. */
export const STATUSES = ['running', 'ok', 'error', 'interrupted', 'limit'] as const;

/** How a span stands: `running` until its end is known. */
export type SpanStatus = (typeof STATUSES)[number];

/** What was rolled up to a span and did not reach its parent yet. */
export interface Pending {
  usage: Usage;
  failures: number;
}

/**
 * One thing that took time. Only a `SpanTree` changes it.
 *
 * What the events hold may be of odd types; every field here except `start` and `end` is sound.
 */
export class Span {
  readonly id: string;
  readonly kind: Kind;
  readonly start: SpanStart;
  /** The number of the start event, which orders siblings. */
  readonly seq: number;
  /** The model of a run or a call as it was asked for; null for other spans. */
  readonly model: string | null;
  /** The batch that it is a slot of. */
  readonly batch: string | null;
  /** Its slot in the batch, from 0. */
  readonly index: number | null;
  end: SpanEnd | null = null;
  /** The reply to a call of the run's own model, while it comes; null for other spans. */
  written: Written | null = null;
  parent: Span | null = null;
  /** By number. */
  children: Span[] = [];
  /** A number that changes when its children do in another way than that one comes at the end, or ends well. */
  revision = 0;
  /** How many spans are above it. */
  depth = 0;
  /** How many child runs it stands in; one counts itself. */
  level = 0;
  /** Whether it has its place in the tree. */
  placed = false;
  /** Seconds since the epoch; the parent's when the event has no sound time. */
  started: number;
  /** Never before `started`; null while it runs. */
  ended: number | null = null;
  status: SpanStatus = 'running';
  /** What it and all below it took. */
  readonly usage: Usage = noUsage();
  /** How many failed, of it and all below it. */
  failures = 0;
  /** What its tree has still to add up. */
  pending: Pending | null = null;

  constructor(start: SpanStart, kind: Kind) {
    this.id = start.span_id;
    this.kind = kind;
    this.start = start;
    this.seq = Number.isFinite(start.seq) ? start.seq : Number.MAX_SAFE_INTEGER;
    this.started = start.started;
    const slot = start.payload as { model?: unknown; batch?: unknown; index?: unknown };
    this.model = typeof slot.model === 'string' ? slot.model : null;
    this.batch = typeof slot.batch === 'string' ? slot.batch : null;
    this.index =
      this.batch !== null && Number.isSafeInteger(slot.index) ? (slot.index as number) : null;
  }

  /** The error that it ended with. */
  get error(): ErrorRecord | null {
    const payload = this.end?.payload;
    const error = isObject(payload) && 'error' in payload ? payload.error : null;
    return isObject(error) ? error : null;
  }

  /** What has come of a reply that is not here as a whole; empty when nothing has. */
  get text(): string {
    const payload = this.end?.payload as { reply?: unknown } | null | undefined;
    return typeof payload?.reply === 'string' ? '' : (this.written?.text ?? '');
  }

  /** Take it out of its tree, as it was when only its events were known. */
  uproot(): void {
    this.parent = null;
    this.children = [];
    this.revision++;
    this.depth = 0;
    this.level = 0;
    this.placed = false;
    this.ended = null;
    this.status = 'running';
    this.failures = 0;
    this.pending = null;
    Object.assign(this.usage, noUsage());
  }

  /** The run that it belongs to: itself when it is one; null when it stands in none. */
  get run(): Span | null {
    let span = this.kind === 'run' ? this : this.parent;
    while (span !== null && span.kind !== 'run') {
      span = span.parent;
    }
    return span;
  }
}

/** Yield a span and all below it, parents first, siblings by number. */
export function* walk(top: Span): Generator<Span> {
  const pending = [top];
  for (let span = pending.pop(); span !== undefined; span = pending.pop()) {
    yield span;
    for (let index = span.children.length - 1; index >= 0; index--) {
      pending.push(span.children[index]);
    }
  }
}

/** Compare two siblings: by number. */
export function bySeq(one: Span, other: Span): number {
  return one.seq - other.seq || (one.id < other.id ? -1 : 1);
}

/** Return how long a span took, in seconds; until `now` when it still runs. */
export function totalTime(span: Span, now: number): number {
  return Math.max(0, endOf(span, now) - span.started);
}

/** Return the seconds of a span in which none of its children ran. */
export function selfTime(span: Span, now: number): number {
  const end = endOf(span, now);
  let covered = 0;
  let reached = span.started;
  for (const child of byStart(span.children)) {
    const from = Math.max(child.started, reached);
    const to = Math.min(endOf(child, now), end);
    if (to > from) {
      covered += to - from;
      reached = to;
    }
  }
  return Math.max(0, totalTime(span, now) - covered);
}

/** Return when a span ended, or `now` while it runs. */
export function endOf(span: Span, now: number): number {
  return Math.max(span.ended ?? now, span.started);
}

function isObject<T>(value: T): value is T & object {
  return typeof value === 'object' && value !== null;
}

function byStart(spans: readonly Span[]): readonly Span[] {
  // As a rule they are in that order already: only those of another process's clock are not.
  const ordered = spans.every(
    (span, index) => index === 0 || spans[index - 1].started <= span.started
  );
  return ordered ? spans : [...spans].sort((one, other) => one.started - other.started);
}
