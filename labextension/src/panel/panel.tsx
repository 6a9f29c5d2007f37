/** The panel as a widget of Lab. */
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { ITranslator } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import type { ReactElement } from 'react';

import type { PanelModel } from '../model/panel';
import type { Actions } from './actions';
import { Boundary } from './boundary';
import { ClosedSanitizer } from './detail/sanitizer';
import { State } from './states';
import { type Surroundings, SurroundingsContext } from './surroundings';
import { PanelView } from './view';

/** What a panel needs; the model stays its maker's to dispose of. */
export interface RunPanelOptions {
  model: PanelModel;
  actions: Actions;
  rendermime: IRenderMimeRegistry;
  languages: IEditorLanguageRegistry | null;
  translator: ITranslator;
}

/** Shows the runs of a notebook, or one run: the sidebar and a tab of the main area are both this. */
export class RunPanel extends ReactWidget {
  readonly model: PanelModel;
  private readonly surroundings: Surroundings;

  constructor({ model, actions, rendermime, languages, translator }: RunPanelOptions) {
    super();
    this.model = model;
    const trans = translator.load('rlm_jupyter');
    this.surroundings = {
      model,
      actions,
      rendermime: rendermime.clone({ sanitizer: new ClosedSanitizer(rendermime.sanitizer) }),
      languages,
      trans
    };
    this.addClass('jp-rlm-Panel');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Recursive language model'));
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.tell();
  }

  protected override onAfterShow(): void {
    this.tell();
  }

  protected override onAfterHide(): void {
    this.tell();
  }

  protected override onBeforeDetach(message: Message): void {
    this.model.setVisible(false);
    super.onBeforeDetach(message);
  }

  /** Moves the focus to the run's tree, or to whatever comes first. */
  protected override onActivateRequest(): void {
    const first = this.node.querySelector<HTMLElement>(
      '[role="row"][tabindex="0"], [role="option"][tabindex="0"], button'
    );
    first?.focus();
  }

  protected override render(): ReactElement {
    return (
      <SurroundingsContext.Provider value={this.surroundings}>
        <Boundary of={this.model} fallback={reason => <State name="failed" problem={reason} />}>
          <PanelView visible={this.isVisible} />
        </Boundary>
      </SurroundingsContext.Provider>
    );
  }

  private tell(): void {
    if (!this.model.isDisposed) {
      this.model.setVisible(this.isVisible);
    }
    this.update();
  }
}
