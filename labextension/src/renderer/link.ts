/** The link from a cell's output to the panel. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { IDisposable } from '@lumino/disposable';
import { CommandIDs } from '../tokens';
import { linkButton } from './elements';

/** What opens a run: the commands of Lab, of which the panel's may come later, or never. */
export type Panel = Pick<CommandRegistry, 'hasCommand' | 'execute' | 'commandChanged'>;

/** A button that opens a run in the panel; it is to be seen while there is a panel, and a run. */
export class PanelLink implements IDisposable {
  /** The element. */
  readonly node: HTMLButtonElement;
  private runId = '';
  private _isDisposed = false;

  /** Make one that is hidden until it is told which run. */
  constructor(
    private readonly panel: Panel,
    trans: TranslationBundle
  ) {
    this.node = linkButton(trans.__('Open in the panel'), () => this.open());
    this.node.hidden = true;
    panel.commandChanged.connect(this.onCommand, this);
  }

  /** Whether it is there no more. */
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Lead to a run; '' is none. */
  show(runId: string): void {
    this.runId = runId;
    this.node.hidden = runId === '' || !this.panel.hasCommand(CommandIDs.openRun);
  }

  /** Be there no more. */
  dispose(): void {
    this._isDisposed = true;
    this.panel.commandChanged.disconnect(this.onCommand, this);
  }

  private open(): void {
    void this.panel.execute(CommandIDs.openRun, { run_id: this.runId });
  }

  private onCommand(_: unknown, { id, type }: CommandRegistry.ICommandChangedArgs): void {
    if (id === CommandIDs.openRun && type !== 'changed') {
      this.show(this.runId);
    }
  }
}
