/** What of a run's tree is shown: its rows, the chosen one, and the one to look at while the run goes on. */
import { EVERYTHING, type Filter } from './filter';
import { Groupings } from './groups';
import { GROUPING, type Row, foldable, pathTo, rowOf, rowsOf } from './rows';
import type { RunModel } from './run';
import type { Span } from './span';

/** The rows of one run at a time. */
export class Outline {
  private run: RunModel | null = null;
  /** What stands below the spans of the run. */
  readonly groupings = new Groupings();
  private readonly _expanded = new Map<string, boolean>();
  private _filter: Filter = EVERYTHING;
  private _grouping = GROUPING;
  private cached: readonly Row[] | null = null;
  private version = -1;

  /** The key of the chosen row. */
  selected: string | null = null;

  /** What the user unfolded and folded, by the rows' keys. */
  get expanded(): ReadonlyMap<string, boolean> {
    return this._expanded;
  }

  /** Which spans are wanted. */
  get filter(): Filter {
    return this._filter;
  }

  set filter(filter: Filter) {
    this._filter = filter;
    this.cached = null;
  }

  /** From how many on alike calls stand in one row. */
  get grouping(): number {
    return this._grouping;
  }

  set grouping(grouping: number) {
    this._grouping = grouping;
    this.cached = null;
  }

  /** Shows another run, as if nobody had looked at it yet. */
  show(run: RunModel | null): void {
    this.run = run;
    this._expanded.clear();
    this.selected = null;
    this.cached = null;
  }

  /** The rows, top to bottom: the same array until anything is different. */
  rows(): readonly Row[] {
    const tree = this.run?.tree;
    if (tree === undefined) {
      return [];
    }
    if (this.cached === null || this.version !== tree.version) {
      this.version = tree.version;
      this.cached = rowsOf(tree, this);
    }
    return this.cached;
  }

  /** The chosen row, if it is shown. */
  get row(): Row | null {
    return this.selected === null
      ? null
      : (this.rows().find(({ key }) => key === this.selected) ?? null);
  }

  /** The span of the chosen row; null for a group. */
  get span(): Span | null {
    return this.selected === null ? null : (this.run?.tree.get(this.selected) ?? null);
  }

  /** Unfolds a row, or folds it. */
  toggle(key: string, open?: boolean): void {
    this._expanded.set(key, open ?? !this.rows().find(row => row.key === key)?.expanded);
    this.cached = null;
  }

  /** Unfolds everything, or folds everything below the run itself. */
  toggleAll(open: boolean): void {
    const { run } = this;
    for (const key of run === null ? [] : foldable(run.tree, this)) {
      this._expanded.set(key, open || key === run!.tree.root?.id);
    }
    this.cached = null;
  }

  /** Chooses the row of a span, unfolding what it is in; returns whether it has one. */
  reveal(spanId: string): boolean {
    const tree = this.run?.tree;
    if (tree?.get(spanId) === undefined) {
      return false;
    }
    const folded = pathTo(tree, this, spanId);
    for (const key of folded) {
      this._expanded.set(key, true);
    }
    if (folded.length > 0) {
      this.cached = null;
    }
    if (!this.rows().some(({ key }) => key === spanId)) {
      return false;
    }
    this.selected = spanId;
    return true;
  }

  /** Chooses the row that shows what began last of what runs now; nothing is unfolded for it. */
  follow(): void {
    const newest = this.run?.tree.newestRunning() ?? null;
    if (newest !== null) {
      const rows = this.rows();
      this.selected = rows[rowOf(this.run!.tree, rows, newest.id)]?.key ?? this.selected;
    }
  }

  /** The failed span that comes next after the chosen one, or before it (-1), round and round. */
  errorBeside(direction: -1 | 1): Span | null {
    const errors = this.run?.tree.errors ?? [];
    const { span } = this;
    const at = span === null ? -1 : errors.indexOf(span);
    if (at >= 0) {
      return errors[(at + direction + errors.length) % errors.length];
    }
    const seq = span?.seq ?? -1;
    return direction === 1
      ? (errors.find(error => error.seq > seq) ?? errors[0] ?? null)
      : ([...errors].reverse().find(error => error.seq < seq) ?? errors.at(-1) ?? null);
  }
}
