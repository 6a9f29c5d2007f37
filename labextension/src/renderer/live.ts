/** How far a run is, in the cell that it was asked in. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { LIVE_MIME_TYPE, TRANSLATION_DOMAIN } from '../tokens';
import { readProgress, type InlineProgress } from './bundle';
import { element } from './elements';
import type { Endings } from './endings';
import { dotOf, figures } from './figures';
import { PanelLink, type Panel } from './link';

/** Milliseconds without a word after which it is asked whether the run is over: a live display tells its time each second. */
const QUIET = 4_000;

/** On the display of a run that answered: the result below it tells the rest. */
const ANSWERED = 'jp-rlm-mod-answered';

/** On a display that has nothing to tell but its first line. */
const BARE = 'jp-rlm-mod-bare';

/** Shows a live display. Each state is written over the one before, so that nothing flickers and focus stays. */
export class LiveRenderer extends Widget implements IRenderMime.IRenderer {
  /** Make an empty one; without endings it shows no more than its output says. */
  constructor(options: IRenderMime.IRendererOptions, panel: Panel, endings: Endings | null) {
    super();
    this._trans = (options.translator ?? nullTranslator).load(TRANSLATION_DOMAIN);
    this._link = new PanelLink(panel, this._trans);
    this._endings = endings;
    this.addClass('jp-rlm-Inline');
    this.addClass('jp-rlm-mod-live');
    this.node.dataset.mimeType = options.mimeType;
    const head = element('div', 'jp-rlm-Inline-head', this._dot, this._first, this._link.node);
    this._dot.setAttribute('aria-hidden', 'true');
    this.node.append(head, this._others, this._tail);
    endings?.ended.connect(this._onEnded, this);
  }

  /** Be there no more. */
  override dispose(): void {
    this._waitFor('');
    this._endings?.ended.disconnect(this._onEnded, this);
    this._link.dispose();
    super.dispose();
  }

  /** Show the state that an output holds. */
  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const progress = readProgress(model.data[LIVE_MIME_TYPE]);
    if (progress === null) {
      // A newer version wrote it; the plain text is the same in all of them.
      const plain = model.data['text/plain'];
      const lines = typeof plain === 'string' ? plain.split('\n') : [];
      this._show({ status: null, lines, tail: '', runId: '' });
      this._waitFor('');
    } else {
      this._show(progress);
      this._waitFor(progress.status === null ? progress.runId : '');
    }
    return Promise.resolve();
  }

  private _show({ status, lines, tail, runId }: InlineProgress): void {
    // One that stopped at a limit has a result as well when its iterations were used up.
    this.toggleClass(ANSWERED, status === 'ok' || status === 'limit');
    this.toggleClass(BARE, lines.length <= 1 && tail === '');
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
    // The result, which comes below an answered one, has the same link.
    this._link.show(status === 'ok' ? '' : runId);
  }

  /** Ask about a run once nothing more is heard of it; '' is none. */
  private _waitFor(runId: string): void {
    clearTimeout(this._timer);
    this._timer = undefined;
    this._waitedFor = runId;
    if (runId !== '' && this._endings !== null) {
      this._timer = setTimeout(() => void this._ask(runId, this._endings), QUIET);
    }
  }

  private async _ask(runId: string, endings: Endings | null): Promise<void> {
    const timer = this._timer;
    const run = (await endings?.figures(runId)) ?? null;
    if (run === null || this._timer !== timer || this.isDisposed) {
      return;
    }
    const lines = [figures(run, this._trans).join(' · ')];
    this._show({ status: run.status, lines, tail: '', runId });
    this.removeClass(ANSWERED);
    this._dot.dataset.status = dotOf(run);
    this._link.show(runId);
    this._waitFor('');
  }

  private _onEnded(_: unknown, runId: string): void {
    if (runId === this._waitedFor) {
      // The kernel has its last word first, if it is there.
      this._waitFor(runId);
    }
  }

  private readonly _trans: TranslationBundle;
  private readonly _endings: Endings | null;
  private readonly _dot = element('span', 'jp-rlm-Inline-dot');
  private readonly _first = element('span', 'jp-rlm-Inline-facts');
  private readonly _link: PanelLink;
  private readonly _others = element('div', 'jp-rlm-Inline-faint');
  private readonly _tail = element('div', 'jp-rlm-Inline-tail');
  private _waitedFor = '';
  private _timer: ReturnType<typeof setTimeout> | undefined;
}

function setText(node: Element, text: string): void {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}
