import type { Scale } from './clock';
import { type Kind, type Span, endOf, totalTime } from './span';
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
  return atLeast >= 2 && children.length >= atLeast
    ? new Grouping(parent, atLeast).take(children)
    : children;
}

/** Calls that are alike: how many there are, and their groups. */
interface Sort {
  readonly first: Span;
  all: number;
  failed: number;
  failures: Group | null;
  others: Group | null;
}

/** The groups of one parent's children, to which more children may come at the end. */
export class Grouping {
  private readonly sorts = new Map<string, Sort>();
  private last: Sort | null = null;
  private items: Item[] = [];
  private taken = 0;

  constructor(
    private readonly parent: Span,
    private readonly atLeast: number
  ) {}

  /** Return what stands below the parent when its children are these: those that were taken before, and others after them. */
  take(children: readonly Span[]): readonly Item[] {
    const isAnew = this.count(children) && this.taken > 0;
    const from = isAnew ? 0 : this.taken;
    // What was given out stays as it was.
    this.items = isAnew ? [] : this.items.slice();
    for (const sort of this.sorts.values()) {
      sort.failures = isAnew ? null : this.renewed(sort.failures);
      sort.others = isAnew ? null : this.renewed(sort.others);
    }
    for (let index = from; index < children.length; index++) {
      this.place(children[index]);
    }
    this.taken = children.length;
    return this.items;
  }

  /** Count the children that are new; return whether one of those before belongs elsewhere because of them. */
  private count(children: readonly Span[]): boolean {
    let isOther = false;
    for (let index = this.taken; index < children.length; index++) {
      const span = children[index];
      const sort = this.sortOf(span);
      if (sort !== null) {
        const failuresFolded = this.folds(sort, true);
        const othersFolded = this.folds(sort, false);
        sort.all++;
        sort.failed += span.status === 'error' ? 1 : 0;
        isOther ||= failuresFolded !== this.folds(sort, true);
        isOther ||= othersFolded !== this.folds(sort, false);
      }
    }
    return isOther;
  }

  private place(span: Span): void {
    const sort = this.sortOf(span);
    const failed = span.status === 'error';
    if (sort === null || !this.folds(sort, failed)) {
      this.items.push(span);
      return;
    }
    const known = failed ? sort.failures : sort.others;
    const group = known ?? newGroup(this.parent, span, failed);
    group.spans.push(span);
    if (known === null) {
      this.items.push(group);
      sort[failed ? 'failures' : 'others'] = group;
    }
  }

  private renewed(group: Group | null): Group | null {
    if (group === null) {
      return null;
    }
    const made = { ...group, spans: group.spans.slice() };
    this.items[this.items.indexOf(group)] = made;
    return made;
  }

  /** Return of which sort a span is; null for what is never put together. */
  private sortOf(span: Span): Sort | null {
    if (span.kind !== 'subcall' && span.kind !== 'run') {
      return null;
    }
    // As a rule it is of the sort of the one before.
    if (this.last === null || !alike(this.last.first, span)) {
      const name = `${span.kind} ${span.batch ?? ''} ${span.model ?? ''}`;
      const known = this.sorts.get(name);
      this.last = known ?? { first: span, all: 0, failed: 0, failures: null, others: null };
      this.sorts.set(name, this.last);
    }
    return this.last;
  }

  private folds(sort: Sort, failed: boolean): boolean {
    // How many there are decides, not how many went well: a group must not dissolve because one of it fails.
    const { all, failed: failures } = sort;
    return failed ? failures >= this.atLeast : all >= this.atLeast && all - failures > 1;
  }
}

interface Kept {
  readonly grouping: Grouping;
  readonly atLeast: number;
  readonly revision: number;
  count: number;
  items: readonly Item[];
}

/** What stands below each span, kept until its children are different. */
export class Groupings {
  private kept = new WeakMap<Span, Kept>();

  /** Return what stands below a span, all its children included. */
  below(parent: Span, atLeast: number): readonly Item[] {
    const { children, revision } = parent;
    if (!(atLeast >= 2) || children.length < atLeast) {
      return children;
    }
    const known = this.kept.get(parent);
    if (known?.revision !== revision || known.atLeast !== atLeast) {
      const grouping = new Grouping(parent, atLeast);
      const items = grouping.take(children);
      this.kept.set(parent, { grouping, atLeast, revision, count: children.length, items });
      return items;
    }
    if (known.count !== children.length) {
      known.items = known.grouping.take(children);
      known.count = children.length;
    }
    return known.items;
  }
}

function alike(one: Span, other: Span): boolean {
  return one.kind === other.kind && one.batch === other.batch && one.model === other.model;
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

/** Return the seconds from when the first of some spans began until the last one ended, or `now` while one runs. */
export function spanOfAll(spans: readonly Span[], now: number): number {
  let [from, to] = [Infinity, -Infinity];
  for (const span of spans) {
    from = Math.min(from, span.started);
    to = Math.max(to, endOf(span, now));
  }
  return Math.max(0, to - from);
}

/** Return the seconds that spans took, added up, whether they ran at the same time or not. */
export function timeOfAll(spans: readonly Span[], now: number): number {
  return spans.reduce((sum, span) => sum + totalTime(span, now), 0);
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
  const all = new Int32Array(size + 1);
  const failed = new Int32Array(size + 1);
  const running = new Int32Array(size + 1);
  const { begin, end } = scale;
  const width = scale.seconds > 0 ? scale.seconds : Infinity;
  // There may be very many, and they are drawn several times a second.
  for (const span of spans) {
    const from = Math.min(size - 1, Math.floor(within((span.started - begin) / width) * size));
    const to = Math.ceil(within((endOf(span, end) - begin) / width) * size);
    const past = Math.min(size, Math.max(to, from + 1));
    all[from]++;
    all[past]--;
    if (span.status === 'error' || span.status === 'running') {
      const some = span.status === 'error' ? failed : running;
      some[from]++;
      some[past]--;
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

function within(position: number): number {
  return position > 0 ? Math.min(1, position) : 0;
}

function accumulate(counts: Int32Array): void {
  for (let index = 1; index < counts.length; index++) {
    counts[index] += counts[index - 1];
  }
}
