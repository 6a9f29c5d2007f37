/** Opens runs that links lead to. */
import { PageConfig } from '@jupyterlab/coreutils';
import type { Api } from '../api/client';
import type { PanelModel } from '../model/panel';
import type { ActiveNotebook } from './active';
import type { Documents } from './documents';
import type { Target } from './links';

/** What it takes to open a run. */
export interface OpenerOptions {
  api: Api;
  active: ActiveNotebook;
  documents: Documents;
  model: PanelModel;
  /** Bring the panel up. */
  show(): void;
}

/** Opens a run in the panel, at its notebook when that is wanted. */
export class Opener {
  /** See OpenerOptions. */
  constructor(private readonly options: OpenerOptions) {}

  /** Open a run, and choose a span of it, and open the notebook that is named. */
  async open({ runId, spanId, notebook }: Target): Promise<void> {
    const { model, documents, show } = this.options;
    show();
    if (notebook !== null && notebook !== model.notebook?.path) {
      model.setNotebook(notebook, null);
    }
    model.openRun(runId, spanId);
    // The notebook may take its time, or be there no more.
    const panel = notebook === null ? null : await documents.notebook(notebook);
    if (panel !== null && notebook === model.notebook?.path) {
      model.setNotebook(notebook, panel.sessionContext.session?.kernel?.id ?? null);
    }
  }

  /** Open what an address leads to. The notebook may have been renamed since; the server knows where it is now. */
  async follow(target: Target): Promise<void> {
    if (PageConfig.getOption('notebookPage')) {
      // The page opens its notebook by itself; opening one here would be another window.
      await this.notebookIsThere();
      await this.open({ ...target, notebook: null });
    } else {
      const { notebook } = await this.options.api.run(target.runId);
      await this.open({ ...target, notebook: notebook ?? target.notebook });
    }
  }

  private notebookIsThere(): Promise<void> {
    const { active } = this.options;
    return new Promise(resolve => {
      const look = () => {
        if (active.panel !== null) {
          active.changed.disconnect(look);
          resolve();
        }
      };
      active.changed.connect(look);
      look();
    });
  }
}
