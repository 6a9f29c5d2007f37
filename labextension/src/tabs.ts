/** Runs in tabs of the main area. */
import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';
import { rlmIcon } from './icon';
import type { PanelModel } from './model/panel';
import { CommandIDs } from './tokens';

/** A run's own model, and the widget that shows it. */
export interface RunView {
  model: PanelModel;
  widget: Widget;
}

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
    const tab = this.tabs.get(runId) ?? (await this.add(runId));
    if (spanId !== null) {
      tab.model.openRun(runId, spanId);
    }
    this.app.shell.activateById(tab.widget.id);
  }

  private async add(runId: string): Promise<Tab> {
    const { model, widget: content } = this.view();
    const widget = new MainAreaWidget({ content });
    const tab = { runId, model, widget };
    this.tabs.set(runId, tab);
    widget.id = `rlm-jupyter-run-${runId}`;
    widget.title.icon = rlmIcon;
    widget.title.closable = true;
    widget.title.label = this.trans.__('Run');
    model.changed.connect(() => this.entitle(tab));
    widget.disposed.connect(() => {
      this.tabs.delete(runId);
      model.dispose();
    });
    model.openRun(runId);
    this.app.shell.add(widget, 'main', { type: 'RLM' });
    await this.tracker.add(widget);
    return tab;
  }

  private entitle({ model, widget }: Tab): void {
    const question = model.run?.run?.question.trim().replace(/\s+/g, ' ');
    if (question && widget.title.caption !== question) {
      widget.title.caption = question;
      widget.title.label = question.length > 30 ? `${question.slice(0, 29)}…` : question;
    }
  }

  private tabOf(widget: Widget): Tab | undefined {
    return [...this.tabs.values()].find(tab => tab.widget === widget);
  }

  private readonly tracker = new WidgetTracker<MainAreaWidget>({ namespace: 'rlm-jupyter' });
  private readonly tabs = new Map<string, Tab>();
}
