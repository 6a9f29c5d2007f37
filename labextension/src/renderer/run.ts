/** A finished run in the output of the cell that it was asked in. */
import { renderHTML, renderMarkdown } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { count } from '../model/format';
import { ClosedSanitizer } from '../sanitizer';
import { RUN_MIME_TYPE, TRANSLATION_DOMAIN } from '../tokens';
import { readRun, type InlineRun } from './bundle';
import { element, foldable } from './elements';
import { dotOf, figures } from './figures';
import { PanelLink, type Panel } from './link';
import { stepRows } from './steps';

/** The answer in a bundle is an excerpt of at most a few thousand characters; a longer one is not of our making. */
const LONGEST_ANSWER = 200_000;

/** Shows a run with its answer and its steps. It needs no server: all of it stands in the notebook. */
export class RunRenderer extends Widget implements IRenderMime.IRenderer {
  /** Make an empty one. */
  constructor(options: IRenderMime.IRendererOptions, panel: Panel) {
    super();
    this._options = options;
    this._trans = (options.translator ?? nullTranslator).load(TRANSLATION_DOMAIN);
    this._link = new PanelLink(panel, this._trans);
    this.addClass('jp-rlm-Inline');
    this.addClass('jp-rlm-mod-run');
    this.node.dataset.mimeType = options.mimeType;
  }

  /** Show the run that an output holds. */
  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const run = readRun(model.data[RUN_MIME_TYPE]);
    if (run === null) {
      const plain = model.data['text/plain'];
      this.node.replaceChildren(
        element('div', 'jp-rlm-Inline-plain', typeof plain === 'string' ? plain : '')
      );
      return;
    }
    const answer = element('div', 'jp-rlm-Inline-answer jp-RenderedHTMLCommon');
    this.node.replaceChildren(
      this._head(run),
      ...this._failure(run),
      answer,
      ...this._remark(run),
      ...this._foldables(run, model.data['text/html'])
    );
    await this._fillAnswer(answer, run.answer ?? '');
  }

  /** Be there no more. */
  override dispose(): void {
    this._link.dispose();
    super.dispose();
  }

  /** Typeset formulas, which takes an element that is shown. */
  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    const answer = this.node.querySelector<HTMLElement>('.jp-rlm-Inline-answer');
    if (answer) {
      void this._options.latexTypesetter?.typeset(answer);
    }
  }

  private _head(run: InlineRun): HTMLElement {
    const dot = element('span', 'jp-rlm-Inline-dot');
    dot.dataset.status = dotOf(run);
    dot.setAttribute('aria-hidden', 'true');
    const facts = element('span', 'jp-rlm-Inline-facts', figures(run, this._trans).join(' · '));
    const head = element('div', 'jp-rlm-Inline-head', dot, facts);
    this._link.show(run.runId);
    head.append(this._link.node);
    const question = element('div', 'jp-rlm-Inline-question', run.question);
    question.title = run.question;
    return element('div', '', question, head);
  }

  private _failure(run: InlineRun): HTMLElement[] {
    if (run.error === null) {
      return [];
    }
    const told = [run.error.name, run.error.message].filter(Boolean).join(': ');
    const rows = [element('div', 'jp-rlm-Inline-error', told)];
    if (run.answer) {
      rows.push(element('div', 'jp-rlm-Inline-faint', this._trans.__('What it had so far:')));
    }
    return rows;
  }

  private _remark(run: InlineRun): HTMLElement[] {
    return run.answerLeftOut ? [element('div', 'jp-rlm-Inline-faint', run.answerLeftOut)] : [];
  }

  private async _fillAnswer(host: HTMLElement, answer: string): Promise<void> {
    const { markdownParser, sanitizer, resolver, linkHandler, latexTypesetter } = this._options;
    if (!markdownParser || answer.length > LONGEST_ANSWER) {
      host.replaceChildren(element('div', 'jp-rlm-Inline-plain', answer.slice(0, LONGEST_ANSWER)));
      return;
    }
    await renderMarkdown({
      host,
      source: answer,
      trusted: false,
      sanitizer: new ClosedSanitizer(sanitizer),
      resolver,
      linkHandler,
      latexTypesetter,
      shouldTypeset: this.isAttached,
      markdownParser,
      translator: this._options.translator
    });
  }

  private _foldables(run: InlineRun, html: unknown): HTMLElement[] {
    const made: HTMLElement[] = [];
    if (run.spans.length > 0) {
      const steps = run.spans.length + run.spansLeftOut;
      const label = this._trans._n('%2 step', '%2 steps', steps, count(steps));
      const rows = () => stepRows(run.spans, run.spansLeftOut, this._trans);
      made.push(foldable('jp-rlm-Inline-fold', label, rows));
    }
    const summary = typeof html === 'string' ? stepsIn(html) : '';
    if (summary) {
      const label = this._trans.__('Code and outputs');
      made.push(foldable('jp-rlm-Inline-fold', label, () => this._summary(summary)));
    }
    return made;
  }

  /** Return the steps of the bundle's HTML, sanitized: they have the code, which the list of spans has not. */
  private _summary(source: string): HTMLElement {
    const host = element('div', 'jp-rlm-Inline-summary jp-RenderedHTMLCommon');
    void renderHTML({
      host,
      source,
      trusted: false,
      sanitizer: new ClosedSanitizer(this._options.sanitizer),
      resolver: null,
      linkHandler: null,
      shouldTypeset: false,
      latexTypesetter: null
    });
    return host;
  }

  private readonly _options: IRenderMime.IRendererOptions;
  private readonly _trans: TranslationBundle;
  private readonly _link: PanelLink;
}

function stepsIn(html: string): string {
  // A document of its own: what stands in it loads nothing and runs nothing.
  const page = new DOMParser().parseFromString(html, 'text/html');
  return page.querySelector('.rlm-run > details > div')?.innerHTML ?? '';
}
