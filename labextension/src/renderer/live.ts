/** How far a run is, in the cell that it was asked in. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { LIVE_MIME_TYPE, TRANSLATION_DOMAIN } from '../tokens';
import { readProgress } from './bundle';
import { element, linkButton } from './elements';

/** Opens a run in the panel; null where there is no panel. */
export type OpenRun = ((runId: string) => void) | null;

/** Shows a live display. Each state is written over the one before, so that nothing flickers and focus stays. */
export class LiveRenderer extends Widget implements IRenderMime.IRenderer {
  /** Make an empty one. */
  constructor(options: IRenderMime.IRendererOptions, openRun: () => OpenRun) {
    super();
    this._trans = (options.translator ?? nullTranslator).load(TRANSLATION_DOMAIN);
    this._openRun = openRun;
    this.addClass('jp-rlm-Inline');
    this.addClass('jp-rlm-mod-live');
    this.node.dataset.mimeType = options.mimeType;
    this._link.hidden = true;
    const head = element('div', 'jp-rlm-Inline-head', this._dot, this._first, this._link);
    this._dot.setAttribute('aria-hidden', 'true');
    this.node.append(head, this._others, this._tail);
  }

  /** Show the state that an output holds. */
  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const progress = readProgress(model.data[LIVE_MIME_TYPE]);
    if (progress === null) {
      // A newer version wrote it; the plain text is the same in all of them.
      const plain = model.data['text/plain'];
      this._show(null, typeof plain === 'string' ? plain.split('\n') : [], '', '');
    } else {
      this._show(progress.status, progress.lines, progress.tail, progress.runId);
    }
    return Promise.resolve();
  }

  private _show(
    status: string | null,
    lines: readonly string[],
    tail: string,
    runId: string
  ): void {
    this._dot.dataset.status = status ?? 'running';
    setText(this._first, lines[0] ?? '');
    while (this._others.childElementCount > Math.max(lines.length - 1, 0)) {
      this._others.lastElementChild?.remove();
    }
    lines.slice(1).forEach((line, index) => {
      const row = this._others.children[index] ?? this._others.appendChild(element('div', ''));
      setText(row, line);
    });
    setText(this._tail, tail);
    this._tail.hidden = tail === '';
    this._offerLink(runId);
  }

  private _offerLink(runId: string): void {
    this._runId = runId;
    const offered = runId !== '' && this._openRun() !== null;
    if (offered && !this._link.firstChild) {
      const label = this._trans.__('Open in the panel');
      this._link.append(linkButton(label, () => this._openRun()?.(this._runId)));
    }
    this._link.hidden = !offered;
  }

  private readonly _trans: TranslationBundle;
  private readonly _openRun: () => OpenRun;
  private readonly _dot = element('span', 'jp-rlm-Inline-dot');
  private readonly _first = element('span', 'jp-rlm-Inline-facts');
  private readonly _link = element('span', '');
  private readonly _others = element('div', 'jp-rlm-Inline-faint');
  private readonly _tail = element('div', 'jp-rlm-Inline-tail');
  private _runId = '';
}

function setText(node: Element, text: string): void {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}
