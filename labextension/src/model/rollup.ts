import type { Pending, Span } from './span';
import { type Usage, addUsage, noUsage } from './usage';

/** Adds up what spans took and how many failed, from the deepest span to the root: each span once for many events. */
export class RollUp {
  /** Spans with something that their parents have not been told; all that is above one is in it too. */
  private _dirty: Span[] = [];

  /** Take note of what one span with a place in the tree took itself. */
  add(span: Span, usage: Usage | null, failures: number): void {
    sum(span, usage, failures);
    if (span.parent === null) {
      return;
    }
    this._tell(span.parent, usage, failures);
    for (let above = span.parent.parent; above?.pending === null; above = above.parent) {
      this._tell(above, null, 0);
    }
  }

  /** Bring the sums up to date. */
  settle(): void {
    this._dirty.sort((one, other) => other.depth - one.depth);
    for (const span of this._dirty) {
      const { usage, failures } = span.pending!;
      sum(span, usage, failures);
      if (span.parent !== null) {
        this._tell(span.parent, usage, failures);
      }
      span.pending = null;
    }
    this._dirty = [];
  }

  /** Forget what was not added up yet. */
  clear(): void {
    this._dirty = [];
  }

  private _tell(span: Span, usage: Usage | null, failures: number): void {
    if (span.pending === null) {
      span.pending = { usage: noUsage(), failures: 0 };
      this._dirty.push(span);
    }
    sum(span.pending, usage, failures);
  }
}

function sum(to: Span | Pending, usage: Usage | null, failures: number): void {
  if (usage !== null) {
    addUsage(to.usage, usage);
  }
  to.failures += failures;
}

/** Return the failed spans that contain no failed span, in the order of the tree. */
export function innermostFailures(root: Span): Span[] {
  const found: Span[] = [];
  const pending = [root];
  for (let span = pending.pop(); span !== undefined; span = pending.pop()) {
    if (span.status === 'error' && span.failures === 1) {
      found.push(span);
    } else if (span.failures > 0) {
      for (let index = span.children.length - 1; index >= 0; index--) {
        if (span.children[index].failures > 0) {
          pending.push(span.children[index]);
        }
      }
    }
  }
  return found;
}
