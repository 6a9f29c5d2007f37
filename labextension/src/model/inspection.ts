/** One run being looked at: which of its rows are shown, which is chosen, what is looked for in it. */
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import { EVERYTHING, type Filter } from './filter';
import { Outline } from './outline';
import type { Row } from './rows';
import type { RunModel } from './run';
import { Search } from './search';
import type { Span } from './span';

/** What a span's detail shows. */
export type Tab = 'reply' | 'code' | 'output' | 'messages' | 'variables' | 'raw';

/** What of a run is looked at; which run that is, whoever extends this says. */
export class Inspection implements IDisposable {
  protected readonly outline = new Outline();
  protected readonly searching = new Search();
  protected readonly _changed = new Signal<this, void>(this);
  /** The span that is to be chosen as soon as it is there. */
  protected wanted: string | null = null;
  protected _follow = true;
  private _run: RunModel | null = null;
  private _tab: Tab = 'reply';
  private _isDisposed = false;

  constructor() {
    this.searching.changed.connect(this.onFound, this);
  }

  /** Emitted when anything here is different. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The run that is open; null: none. */
  get run(): RunModel | null {
    return this._run;
  }

  /** The key of the chosen row. */
  get selected(): string | null {
    return this.outline.selected;
  }

  /** The chosen row, if it is shown. */
  get row(): Row | null {
    return this.outline.row;
  }

  /** The span of the chosen row; null for a group. */
  get span(): Span | null {
    return this.outline.span;
  }

  /** What the detail shows. */
  get tab(): Tab {
    return this._tab;
  }

  /** What the user unfolded and folded, by the rows' keys. */
  get expanded(): ReadonlyMap<string, boolean> {
    return this.outline.expanded;
  }

  /** Which spans are wanted, those that a search found included. */
  get filter(): Filter {
    return this.outline.filter;
  }

  /** The words that are looked for, as they were typed. */
  get query(): string {
    return this.searching.query;
  }

  /** The ids of the spans in which the words are; null when none are looked for. */
  get hits(): ReadonlySet<string> | null {
    return this.searching.hits;
  }

  /** Whether the words may be in other spans as well, because the server looked no further. */
  get searchIncomplete(): boolean {
    return this.searching.more;
  }

  /** What kept the words from being looked for; null when nothing did. */
  get searchProblem(): string | null {
    return this.searching.problem;
  }

  /** Whether the panel goes along with what happens: new runs are opened, and what runs is chosen. */
  get follow(): boolean {
    return this._follow;
  }

  /** Whether nothing is kept up to date any more. */
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** The rows of the open run, top to bottom: the same array until anything is different. */
  rows(): readonly Row[] {
    return this.outline.rows();
  }

  /** Chooses a row, at which the panel stays. */
  selectRow(key: string | null): void {
    this.outline.selected = key;
    this.wanted = null;
    this._follow = false;
    this._changed.emit();
  }

  /** Unfolds a row, or folds it; as it is not now unless it is said how. */
  toggle(key: string, open?: boolean): void {
    this.outline.toggle(key, open);
    this._changed.emit();
  }

  /** Unfolds all rows. */
  expandAll(): void {
    this.outline.toggleAll(true);
    this._changed.emit();
  }

  /** Folds all rows below the run itself. */
  collapseAll(): void {
    this.outline.toggleAll(false);
    this._changed.emit();
  }

  /** Looks for words in the run, once nothing more is typed. */
  setQuery(query: string): void {
    this.searching.setQuery(query);
    this._changed.emit();
  }

  /** Asks for some spans only; what is not named stays as it is. */
  setFilter(filter: Partial<Omit<Filter, 'hits'>>): void {
    this.outline.filter = { ...this.outline.filter, ...filter, hits: this.searching.hits };
    this._changed.emit();
  }

  /** From how many on alike calls stand in one row. */
  setGrouping(grouping: number): void {
    this.outline.grouping = grouping;
    this._changed.emit();
  }

  /** Shows something else of the span. */
  setTab(tab: Tab): void {
    this._tab = tab;
    this._changed.emit();
  }

  /** Chooses the next span that failed, or the one before, round and round; the filter goes where it hides it. */
  nextError(direction: -1 | 1): void {
    const error = this.outline.errorBeside(direction);
    if (error !== null) {
      this._follow = false;
      this.wanted = null;
      this.reveal(error.id);
      this._changed.emit();
    }
  }

  /** Keeps nothing up to date any more. */
  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this.searching.dispose();
      this._run?.dispose();
      Signal.clearData(this);
    }
  }

  /** Looks at another run, as if nobody had looked at it yet; the one before is let go of. */
  protected inspect(run: RunModel | null): void {
    this._run?.dispose();
    this._run = run;
    // Who looked into one run's events wants to read the next one.
    this._tab = this._tab === 'raw' ? 'reply' : this._tab;
    this._run?.changed.connect(this.settle, this);
    this.wanted = null;
    this.outline.show(run);
    this.searching.setRun(run);
    this.outline.filter = { ...this.outline.filter, hits: null };
  }

  /** Chooses what is to be chosen as things are now, and tells the views. */
  protected settle(): void {
    if (this.wanted !== null && this._run?.tree.get(this.wanted) !== undefined) {
      const spanId = this.wanted;
      this.wanted = null;
      this.reveal(spanId);
    }
    if (this._follow && this._run?.state === 'live') {
      this.outline.follow();
    }
    this._changed.emit();
  }

  /** Asks for all spans again, and looks for nothing. */
  protected forgetFilter(): void {
    this.searching.setQuery('');
    this.outline.filter = EVERYTHING;
  }

  /** Chooses a span; the filter goes where it hides it. */
  private reveal(spanId: string): void {
    if (!this.outline.reveal(spanId)) {
      this.forgetFilter();
      this.outline.reveal(spanId);
    }
  }

  private onFound(): void {
    this.outline.filter = { ...this.outline.filter, hits: this.searching.hits };
    this._changed.emit();
  }
}
