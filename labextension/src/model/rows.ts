import { type Filter, type Sifted, matches, sift } from './filter';
import { type Group, type Groupings, type Item, grouped, isGroup } from './groups';
import type { Span } from './span';
import type { SpanTree } from './tree';

/** What decides which rows there are, beside the tree. */
export interface View {
  /** What the user unfolded and folded, by the rows' keys. */
  readonly expanded: ReadonlyMap<string, boolean>;
  /** From how many on alike calls and child runs stand in one row; 0 for never. */
  readonly grouping: number;
  readonly filter: Filter;
  /** What is known of earlier rows of the same tree. */
  readonly groupings?: Groupings;
}

/** From how many on alike calls stand in one row, unless the user wants it otherwise. */
export const GROUPING = 8;

interface RowPlace {
  /** A span's id, or a group's key; the same for as long as the run is shown. */
  readonly key: string;
  /** How many rows are above it in the tree; the run's own row has none. */
  readonly depth: number;
  /** The key of the row that it stands below. */
  readonly parent: string | null;
  /** Which of the rows below its parent it is, from 1. */
  readonly place: number;
  /** How many rows stand below its parent. */
  readonly of: number;
  readonly expandable: boolean;
  readonly expanded: boolean;
}

/** A row for one span. */
export interface SpanRow extends RowPlace {
  readonly type: 'span';
  readonly span: Span;
}

/** A row for many alike calls, or child runs, of one parent. */
export interface GroupRow extends RowPlace {
  readonly type: 'group';
  readonly group: Group;
  readonly spans: readonly Span[];
}

/** A row of the tree. */
export type Row = SpanRow | GroupRow;

/**
 * Return the rows that are shown, top to bottom.
 *
 * At first runs, iterations and code of the root level are open; a child run is folded unless it failed or runs now,
 * and so is what is in one unless something in it failed or runs; groups are folded. What the user chose wins.
 * With a filter there are the matches and what contains them, all unfolded, whatever the user chose; but a group that
 * consists of matches stays as it is, unless a search found them.
 */
export function rowsOf(tree: SpanTree, view: View): Row[] {
  return listed(new Layout(tree, view), row => row.expanded);
}

/** Return the keys of all that can be unfolded, whether it is or is inside of what is folded, outermost first. */
export function foldable(tree: SpanTree, view: View): string[] {
  const rows = listed(new Layout(tree, view), row => row.expandable);
  return rows.filter(row => row.expandable).map(row => row.key);
}

/**
 * Return the keys to unfold so that a span has a row, outermost first: those of what it is in and is folded now.
 *
 * What the filter leaves out has no row, whatever is unfolded.
 */
export function pathTo(tree: SpanTree, view: View, spanId: string): string[] {
  const layout = new Layout(tree, view);
  const folded: string[] = [];
  let child = tree.get(spanId) ?? null;
  while (child !== null) {
    const group = layout.groupOf(child);
    if (group !== null && !layout.isGroupOpen(group)) {
      folded.push(group.key);
    }
    const parent: Span | null = child.parent;
    if (parent !== null && !layout.isOpen(parent, layout.groupOf(parent) !== null)) {
      folded.push(parent.id);
    }
    child = parent;
  }
  return folded.reverse();
}

/** Return which row stands for a span: its own, or else that of its group, or of the nearest span around it; -1 for none. */
export function rowOf(tree: SpanTree, rows: readonly Row[], spanId: string): number {
  const span = tree.get(spanId);
  if (span === undefined) {
    return -1;
  }
  const around = new Set<Span>();
  for (let above: Span | null = span; above !== null; above = above.parent) {
    around.add(above);
  }
  let best = -1;
  let depth = -1;
  rows.forEach((row, index) => {
    const inside = memberIn(row, around);
    // Of a group and its member the member comes later, and is nearer.
    if (inside !== undefined && inside.depth >= depth) {
      [best, depth] = [index, inside.depth];
    }
  });
  return best;
}

function memberIn(row: Row, around: ReadonlySet<Span>): Span | undefined {
  if (row.type === 'span') {
    return around.has(row.span) ? row.span : undefined;
  }
  const { parent } = row.spans[0];
  return parent !== null && around.has(parent)
    ? row.spans.find(member => around.has(member))
    : undefined;
}

function listed(layout: Layout, opens: (row: Row) => boolean): Row[] {
  const rows: Row[] = [];
  const top: Level = { items: layout.top(), next: 0, depth: 0, parent: null, inGroup: false };
  const pending = [top];
  for (let level = pending.at(-1); level !== undefined; level = pending.at(-1)) {
    if (level.next === level.items.length) {
      pending.pop();
      continue;
    }
    const item = level.items[level.next++];
    const row = layout.row(item, level);
    rows.push(row);
    if (opens(row)) {
      const inGroup = isGroup(item);
      const items = inGroup ? item.spans : layout.below(item);
      pending.push({ items, next: 0, depth: level.depth + 1, parent: row.key, inGroup });
    }
  }
  return rows;
}

interface Level {
  readonly items: readonly Item[];
  next: number;
  readonly depth: number;
  readonly parent: string | null;
  readonly inGroup: boolean;
}

/** What stands below what, and what of it is open. */
class Layout {
  private readonly _sifted: Sifted | null;
  private readonly _items = new Map<Span, readonly Item[]>();

  constructor(
    private readonly _tree: SpanTree,
    private readonly _view: View
  ) {
    this._sifted = sift(_tree, _view.filter);
  }

  top(): readonly Item[] {
    const root = this._tree.root;
    return root !== null && this._isShown(root) ? [root] : [];
  }

  row(item: Item, level: Level): Row {
    const { depth, parent, next: place } = level;
    const at = { depth, parent, place, of: level.items.length };
    if (isGroup(item)) {
      const expanded = this.isGroupOpen(item);
      const { key, spans } = item;
      return { type: 'group', key, ...at, expandable: true, expanded, group: item, spans };
    }
    const expandable = this._hasBelow(item);
    const expanded = expandable && this.isOpen(item, level.inGroup);
    return { type: 'span', key: item.id, ...at, expandable, expanded, span: item };
  }

  below(span: Span): readonly Item[] {
    let items = this._items.get(span);
    if (items === undefined) {
      const sifted = this._sifted;
      const { grouping, groupings } = this._view;
      if (sifted === null && groupings !== undefined) {
        return groupings.below(span, grouping);
      }
      const { children } = span;
      const shown = sifted === null ? children : children.filter(child => sifted.shown.has(child));
      items = grouped(span, shown, grouping);
      this._items.set(span, items);
    }
    return items;
  }

  groupOf(span: Span): Group | null {
    const items = span.parent === null ? [] : this.below(span.parent);
    return items.filter(isGroup).find(group => group.spans.includes(span)) ?? null;
  }

  isOpen(span: Span, inGroup: boolean): boolean {
    if (this._sifted !== null) {
      return this._sifted.containing.has(span);
    }
    const isBusy = span.status === 'running' || span.failures > 0;
    const byItself =
      span.kind === 'run' && span.depth > 0
        ? !inGroup && (span.status === 'running' || span.status === 'error')
        : isBusy || span.level === 0;
    return this._view.expanded.get(span.id) ?? byItself;
  }

  isGroupOpen(group: Group): boolean {
    const sifted = this._sifted;
    const { expanded, filter } = this._view;
    if (sifted !== null) {
      const hides = (span: Span) => sifted.containing.has(span) || !matches(span, filter);
      if (filter.hits !== null || group.spans.some(hides)) {
        return true;
      }
    }
    return expanded.get(group.key) ?? false;
  }

  private _isShown(span: Span): boolean {
    return this._sifted === null || this._sifted.shown.has(span);
  }

  private _hasBelow(span: Span): boolean {
    return this._sifted === null ? span.children.length > 0 : this._sifted.containing.has(span);
  }
}
