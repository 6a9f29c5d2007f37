import type { Scale } from './clock';
import { type Kind, type Span, type SpanStatus, endOf, totalTime } from './span';
import { type Usage, addUsage, noUsage } from './usage';

/** Many alike calls, or child runs, of one parent: one batch, or one model outside of batches. */
export interface Group {
  readonly key: string;
  readonly kind: Extract<Kind, 'subcall' | 'run'>;
  readonly model: string | null;
  readonly batch: string | null;
  /** Whether it is those that failed; they are never among the others. */
  readonly failed: boolean;
  readonly spans: Span[];
}

/** What stands below a span: spans by themselves, and groups. */
export type Item = Span | Group;

/** Return whether an item is a group. */
export function isGroup(item: Item): item is Group {
  return 'spans' in item;
}

/**
 * Put alike children of one parent together, from so many on; a group stands where its first member would.
 *
 * Failed ones stand by themselves, where they happened, so that they are seen; unless they are as many.
 */
export function grouped(parent: Span, children: readonly Span[], atLeast: number): readonly Item[] {
  if (!(atLeast >= 2) || children.length < atLeast) {
    return children;
  }
  const sorts = sorted(children);
  const items: Item[] = [];
  children.forEach((span, index) => {
    const sort = sorts[index];
    const failed = span.status === 'error';
    if (sort === null || !folds(sort, failed, atLeast)) {
      items.push(span);
      return;
    }
    const known = failed ? sort.failures : sort.others;
    const group = known ?? newGroup(parent, span, failed);
    group.spans.push(span);
    if (known === null) {
      items.push(group);
      sort[failed ? 'failures' : 'others'] = group;
    }
  });
  return items;
}

/** Calls that are alike: how many there are, and their groups. */
interface Sort {
  readonly first: Span;
  all: number;
  failed: number;
  failures: Group | null;
  others: Group | null;
}

/** Return of which sort each span is; null for what is never put together. */
function sorted(spans: readonly Span[]): (Sort | null)[] {
  const sorts = new Map<string, Sort>();
  let last: Sort | null = null;
  return spans.map(span => {
    if (span.kind !== 'subcall' && span.kind !== 'run') {
      return null;
    }
    // As a rule it is of the sort of the one before.
    if (last === null || !alike(last.first, span)) {
      const name = `${span.kind} ${span.batch ?? ''} ${span.model ?? ''}`;
      last = sorts.get(name) ?? { first: span, all: 0, failed: 0, failures: null, others: null };
      sorts.set(name, last);
    }
    last.all++;
    last.failed += span.status === 'error' ? 1 : 0;
    return last;
  });
}

function alike(one: Span, other: Span): boolean {
  return one.kind === other.kind && one.batch === other.batch && one.model === other.model;
}

function folds(sort: Sort, failed: boolean, atLeast: number): boolean {
  // How many there are decides, not how many went well: a group must not dissolve because one of it fails.
  return failed ? sort.failed >= atLeast : sort.all >= atLeast && sort.all - sort.failed > 1;
}

function newGroup(parent: Span, first: Span, failed: boolean): Group {
  const { kind, batch, model } = first;
  const key = `+${JSON.stringify([parent.id, kind, batch, model])}${failed ? '!' : ''}`;
  return { key, kind: kind === 'run' ? 'run' : 'subcall', model, batch, failed, spans: [] };
}

/** Return what all spans of a group took. */
export function usageOfAll(spans: readonly Span[]): Usage {
  const sum = noUsage();
  spans.forEach(span => addUsage(sum, span.usage));
  return sum;
}

/** Return the seconds that spans took, added up, whether they ran at the same time or not. */
export function timeOfAll(spans: readonly Span[], now: number): number {
  return spans.reduce((sum, span) => sum + totalTime(span, now), 0);
}

/** Return how many of the spans stand how. */
export function statusesOf(spans: readonly Span[]): Record<SpanStatus, number> {
  const counts = { running: 0, ok: 0, error: 0, interrupted: 0, limit: 0 };
  spans.forEach(span => counts[span.status]++);
  return counts;
}

/** A bar of a waterfall; `left` and `width` are parts of the whole width, `weight` (above 0, up to 1) how full it is. */
export interface Bar {
  left: number;
  width: number;
  weight: number;
  kind: 'ok' | 'error' | 'running';
}

/** Return the bar of one span. */
export function barOf(span: Span, scale: Scale): Bar {
  const left = scale.position(span.started);
  const kind = span.status === 'running' || span.status === 'error' ? span.status : 'ok';
  return { left, width: scale.position(endOf(span, scale.end)) - left, weight: 1, kind };
}

/** Return the bars of many spans, at most `bins`: the more ran at once, the fuller. */
export function bars(spans: readonly Span[], scale: Scale, bins: number): Bar[] {
  const size = Number.isFinite(bins) ? Math.max(1, Math.floor(bins)) : 1;
  // What begins and what ends in each part: the sum up to a part is how many ran in it.
  const [all, failed, running] = [0, 1, 2].map(() => new Int32Array(size + 1));
  for (const span of spans) {
    const from = Math.min(size - 1, Math.floor(scale.position(span.started) * size));
    const to = Math.ceil(scale.position(endOf(span, scale.end)) * size);
    const past = Math.min(size, Math.max(to, from + 1));
    mark(all, from, past);
    if (span.status === 'error' || span.status === 'running') {
      mark(span.status === 'error' ? failed : running, from, past);
    }
  }
  [all, failed, running].forEach(accumulate);
  const most = all.reduce((one, other) => Math.max(one, other), 1);
  const found: Bar[] = [];
  for (let bin = 0; bin < size; bin++) {
    if (all[bin] === 0) {
      continue;
    }
    const kind = failed[bin] > 0 ? 'error' : running[bin] * 2 > all[bin] ? 'running' : 'ok';
    add(found, { left: bin / size, width: 1 / size, weight: all[bin] / most, kind });
  }
  return found;
}

function add(found: Bar[], bar: Bar): void {
  const last = found.at(-1);
  const touches = last !== undefined && Math.abs(last.left + last.width - bar.left) < 1e-9;
  if (touches && last.weight === bar.weight && last.kind === bar.kind) {
    last.width += bar.width;
  } else {
    found.push(bar);
  }
}

function mark(counts: Int32Array, from: number, past: number): void {
  counts[from]++;
  counts[past]--;
}

function accumulate(counts: Int32Array): void {
  for (let index = 1; index < counts.length; index++) {
    counts[index] += counts[index - 1];
  }
}
