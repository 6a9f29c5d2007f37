import { type Kind, type Span, type SpanStatus, walk } from './span';
import type { SpanTree } from './tree';

/** Which spans are wanted; null asks for nothing in particular, and a span has to meet all that is asked. */
export interface Filter {
  readonly kinds: ReadonlySet<Kind> | null;
  readonly statuses: ReadonlySet<SpanStatus> | null;
  readonly models: ReadonlySet<string> | null;
  /** The ids of the spans that a search found. */
  readonly hits: ReadonlySet<string> | null;
}

/** The filter that all spans pass. */
export const EVERYTHING: Filter = { kinds: null, statuses: null, models: null, hits: null };

/** Return whether a filter asks for anything. */
export function isFiltering(filter: Filter): boolean {
  return (
    filter.kinds !== null ||
    filter.statuses !== null ||
    filter.models !== null ||
    filter.hits !== null
  );
}

/** Return whether a span is one of those that a filter asks for. */
export function matches(span: Span, filter: Filter): boolean {
  const { kinds, statuses, models, hits } = filter;
  return (
    (kinds === null || kinds.has(span.kind)) &&
    (statuses === null || statuses.has(span.status)) &&
    (models === null || (span.model !== null && models.has(span.model))) &&
    (hits === null || hits.has(span.id))
  );
}

/** What a filter leaves of a tree. */
export interface Sifted {
  /** The matches, and all spans that contain one. */
  shown: ReadonlySet<Span>;
  /** The spans that contain a match. */
  containing: ReadonlySet<Span>;
}

/** Return what a filter leaves of a tree; null when it asks for nothing. */
export function sift(tree: SpanTree, filter: Filter): Sifted | null {
  if (!isFiltering(filter)) {
    return null;
  }
  const shown = new Set<Span>();
  const containing = new Set<Span>();
  for (const span of candidates(tree, filter)) {
    if (!matches(span, filter)) {
      continue;
    }
    shown.add(span);
    for (let above = span.parent; above !== null && !containing.has(above); above = above.parent) {
      containing.add(above);
      shown.add(above);
    }
  }
  return { shown, containing };
}

function* candidates(tree: SpanTree, filter: Filter): Generator<Span> {
  if (filter.hits === null) {
    yield* tree.root === null ? [] : walk(tree.root);
    return;
  }
  for (const id of filter.hits) {
    const span = tree.get(id);
    if (span !== undefined) {
      yield span;
    }
  }
}
