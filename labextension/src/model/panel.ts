/** What a panel shows: a notebook's runs, one of them, and what of it. It is the one object that the views read. */
import type { Changes } from '../api/changes';
import type { Api } from '../api/client';
import type { Change, ProposedCode } from '../api/types';
import { Inspection } from './inspection';
import { NotebookModel } from './notebook';
import { ReviewLease } from './review';
import { GROUPING } from './rows';
import { RunModel } from './run';

export type { Tab } from './inspection';

/** What of the user's settings a `PanelModel` heeds. */
export interface Preferences {
  /** Whether it follows as long as the user does not say otherwise. */
  readonly follow: boolean;
  /** From how many on alike calls stand in one row. */
  readonly grouping: number;
  /** Whether its user decides about code blocks here; where not, the cell asks. */
  readonly review: boolean;
}

/** What a `PanelModel` needs. */
export interface PanelOptions {
  api: Api;
  changes: Changes;
}

const DEFAULTS: Preferences = { follow: true, grouping: GROUPING, review: true };

/** The state of a panel: of the sidebar, which goes with the active notebook, or of a tab that shows one run. */
export class PanelModel extends Inspection {
  private readonly api: Api;
  private readonly changes: Changes;
  private readonly lease: ReviewLease;
  /** Which run was open in which notebook. */
  private readonly opened = new Map<string, string>();
  private readonly speaking = new Set<string>();
  private _notebook: NotebookModel | null = null;
  private kernelId: string | null = null;
  private isVisible = false;
  private preferences = DEFAULTS;
  /** The run whose waiting block the user has begun to change. */
  private drafted: string | null = null;

  constructor({ api, changes }: PanelOptions) {
    super();
    this.api = api;
    this.changes = changes;
    this.lease = new ReviewLease(api);
    changes.changed.connect(this.onChange, this);
  }

  /** The notebook that is shown; null: none. */
  get notebook(): NotebookModel | null {
    return this._notebook;
  }

  /** The code block of the open run that waits for a decision. */
  get review(): ProposedCode | null {
    return this.run?.steered?.review ?? null;
  }

  /** Shows the notebook at a path, whose kernel is this one; null: none. */
  setNotebook(path: string | null, kernelId: string | null): void {
    this.kernelId = kernelId;
    if (path !== (this._notebook?.path ?? null)) {
      this._notebook?.dispose();
      this._notebook = path === null ? null : new NotebookModel(this.api, this.changes, path);
      this._notebook?.changed.connect(this.onNotebook, this);
      this._notebook?.began.connect(this.onBegan, this);
      const runId = path === null ? undefined : this.opened.get(path);
      this._follow = this.preferences.follow;
      this.forgetFilter();
      this.show(runId ?? null);
    }
    this.watch();
    this._changed.emit();
  }

  /** Notes that the notebook that is shown has another path. */
  renameNotebook(path: string): void {
    this._notebook?.rename(path);
  }

  /** Notes that a kernel has loaded the extension. */
  kernelSpeaks(kernelId: string): void {
    this.speaking.add(kernelId);
    this.watch();
    this.lease.speaks(kernelId);
  }

  /** Says whether the panel is visible: only then its user can decide about code blocks, and a run's spans are fetched. */
  setVisible(isVisible: boolean): void {
    this.isVisible = isVisible;
    this.lease.setVisible(isVisible && this.preferences.review);
    this.run?.rest(!isVisible);
  }

  /** Notes that the user has begun to change the block that waits: until it is decided, its cell does not ask. */
  setDrafting(isDrafting: boolean): void {
    const run = isDrafting ? (this.run?.run ?? null) : null;
    this.drafted = run?.run_id ?? null;
    this.lease.pin(run?.kernel_id ?? null);
  }

  /** Takes in what the user set; where the panel does otherwise by then, it does until the setting is another. */
  setPreferences({ follow, grouping, review }: Preferences): void {
    const before = this.preferences;
    this.preferences = { follow, grouping, review };
    this.lease.setVisible(this.isVisible && review);
    if (follow !== before.follow) {
      this.setFollow(follow);
    }
    if (grouping !== this.outline.grouping) {
      this.setGrouping(grouping);
    }
  }

  /** Opens a run, and chooses a span of it. Without one the panel follows, unless later runs are in the notebook. */
  openRun(runId: string, spanId: string | null = null): void {
    if (runId !== this.run?.runId) {
      this.show(runId);
    }
    const last = this._notebook?.runs[0]?.run_id ?? runId;
    this._follow = this.preferences.follow && spanId === null && runId === last;
    this.wanted = spanId;
    this.settle();
  }

  /** Goes along with what happens, or stays. */
  setFollow(follow: boolean): void {
    if (follow === this._follow) {
      return;
    }
    this._follow = follow;
    const running = this._notebook?.runs.find(run => run.status === null);
    if (follow && running !== undefined && running.run_id !== this.run?.runId) {
      this.show(running.run_id);
    }
    this.settle();
  }

  /** Keeps nothing up to date any more. */
  override dispose(): void {
    if (!this.isDisposed) {
      this.lease.dispose();
      this._notebook?.dispose();
      super.dispose();
    }
  }

  private show(runId: string | null): void {
    const known = this._notebook?.runs.find(run => run.run_id === runId);
    const { api, changes, isVisible } = this;
    const options = { api, changes, known, isResting: !isVisible };
    this.inspect(runId === null ? null : new RunModel({ ...options, runId }));
    if (runId !== null && this._notebook !== null) {
      this.opened.set(this._notebook.path, runId);
    }
  }

  protected override settle(): void {
    this.watch();
    super.settle();
  }

  private onNotebook(notebook: NotebookModel): void {
    const last = notebook.runs[0];
    if (this.run === null && last !== undefined) {
      this.show(last.run_id);
    }
    this.watch();
    this._changed.emit();
  }

  private onBegan(_: NotebookModel, runId: string): void {
    if (this.kernelId !== null) {
      this.lease.speaks(this.kernelId);
    }
    if (this._follow || this.run === null) {
      this.show(runId);
      this.settle();
    }
  }

  private onChange(_: Changes, change: Change): void {
    const isDecided = change.action === 'steered' && change.steered?.waiting !== true;
    if (change.run_id === this.drafted && (isDecided || change.status)) {
      this.setDrafting(false);
    }
    // A cell waits for the user: that is what is to be seen, whatever is.
    const waits = change.action === 'steered' && change.steered?.waiting === true;
    const isHere = this._notebook !== null && change.notebook === this._notebook.path;
    if (waits && isHere && change.run_id !== undefined && change.run_id !== this.run?.runId) {
      this.show(change.run_id);
      this.settle();
    }
  }

  /** Be there for the kernel that is shown, if it can be told. */
  private watch(): void {
    const { kernelId, run: shown } = this;
    const isLive = shown?.state === 'live';
    if (isLive && shown.isHeadless) {
      // It cannot be shown, nor can its blocks: the cell has to ask.
      this.lease.watch(null);
      return;
    }
    if (this._notebook === null) {
      this.lease.watch(isLive ? (shown.run?.kernel_id ?? null) : null);
      return;
    }
    const hasRuns = this._notebook.runs.some(run => run.kernel_id === kernelId);
    const speaks = kernelId !== null && (hasRuns || this.speaking.has(kernelId));
    this.lease.watch(speaks ? kernelId : null);
  }
}
