/** Runs in tabs of the main area. */
import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';
import { rlmIcon } from './icon';
import type { PanelModel } from './model/panel';
import { plainLine } from './model/plain';
import type { RunView } from './panels';
import { CommandIDs } from './tokens';

interface Tab {
  runId: string;
  model: PanelModel;
  widget: MainAreaWidget;
}

/** Opens each run in one tab, and has Lab open the tabs again after a reload. */
export class RunTabs {
  /** `view` makes what a tab holds. */
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly trans: TranslationBundle,
    private readonly view: () => RunView
  ) {}

  /** Have Lab remember which tabs are open. */
  restore(restorer: ILayoutRestorer): void {
    void restorer.restore(this.tracker, {
      command: CommandIDs.openInTab,
      args: widget => ({ run_id: this.tabOf(widget)?.runId ?? '' }),
      name: widget => this.tabOf(widget)?.runId ?? ''
    });
  }

  /** Show a run in its tab, and a span of it when one is named. */
  async open(runId: string, spanId: string | null): Promise<void> {
    const open = this.tabs.get(runId);
    const tab = open ?? (await this.add(runId, spanId));
    if (open !== undefined && spanId !== null) {
      open.model.openRun(runId, spanId);
    }
    this.app.shell.activateById(tab.widget.id);
  }

  private async add(runId: string, spanId: string | null): Promise<Tab> {
    const { model, widget: content } = this.view();
    const widget = new MainAreaWidget({ content });
    const tab = { runId, model, widget };
    // There is nothing in it, and it would be an empty strip above the panel.
    widget.toolbar.hide();
    this.tabs.set(runId, tab);
    widget.id = `rlm-jupyter-run-${runId}`;
    widget.title.icon = rlmIcon;
    widget.title.closable = true;
    widget.title.label = this.trans.__('Run');
    model.changed.connect(() => {
      this.entitle(tab);
      if (model.run?.state === 'over') {
        model.setFollow(false);
      }
    });
    widget.disposed.connect(() => {
      this.tabs.delete(runId);
      model.dispose();
    });
    model.openRun(runId, spanId);
    this.app.shell.add(widget, 'main', { type: 'RLM' });
    await this.tracker.add(widget);
    return tab;
  }

  private entitle({ model, widget }: Tab): void {
    const question = model.run?.run?.question;
    const caption = plainLine(question, 500);
    if (caption && widget.title.caption !== caption) {
      widget.title.caption = caption;
      widget.title.label = plainLine(question, 30);
    }
  }

  private tabOf(widget: Widget): Tab | undefined {
    return [...this.tabs.values()].find(tab => tab.widget === widget);
  }

  private readonly tracker = new WidgetTracker<MainAreaWidget>({ namespace: 'rlm-jupyter' });
  private readonly tabs = new Map<string, Tab>();
}
