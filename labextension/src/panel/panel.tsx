/** The panel as a widget of Lab. */
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { ITranslator } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import type { ReactElement } from 'react';

import type { PanelModel } from '../model/panel';
import { ClosedSanitizer } from '../sanitizer';
import { TRANSLATION_DOMAIN } from '../tokens';
import type { Actions } from './actions';
import { Broken } from './broken';
import { withoutFetching } from './detail/rendering';
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
  private isBroken = false;

  constructor({ model, actions, rendermime, languages, translator }: RunPanelOptions) {
    super();
    this.model = model;
    const trans = translator.load(TRANSLATION_DOMAIN);
    this.surroundings = {
      model,
      actions,
      rendermime: withoutFetching(
        rendermime.clone({
          sanitizer: new ClosedSanitizer(rendermime.sanitizer, address =>
            trans.__('picture from elsewhere, not loaded: %1', address)
          )
        })
      ),
      languages,
      trans
    };
    this.addClass('jp-rlm-Panel');
    this.node.setAttribute('role', 'region');
    this.node.tabIndex = -1;
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

  /** Moves the focus to the run's tree or to the list of runs, or else to the panel, where F6 leads on. */
  protected override onActivateRequest(): void {
    const first = this.node.querySelector<HTMLElement>(
      '[role="row"][tabindex="0"], [role="option"][tabindex="0"]'
    );
    (first ?? this.node.querySelector<HTMLElement>('.jp-rlm-View') ?? this.node).focus();
  }

  protected override render(): ReactElement {
    return (
      <SurroundingsContext.Provider value={this.surroundings}>
        <Broken onBroken={this.onBroken}>
          <PanelView visible={this.isVisible} />
        </Broken>
      </SurroundingsContext.Provider>
    );
  }

  /** What cannot be shown cannot be decided about either. */
  private readonly onBroken = (isBroken: boolean): void => {
    this.isBroken = isBroken;
    this.tellModel();
  };

  private tellModel(): void {
    if (!this.model.isDisposed) {
      this.model.setVisible(this.isVisible && !this.isBroken);
    }
  }

  private tell(): void {
    this.tellModel();
    this.update();
  }
}
