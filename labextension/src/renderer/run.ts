/** A finished run in the output of the cell that it was asked in. */
import { renderHTML, renderMarkdown } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { money, seconds, tokens } from '../model/format';
import { RUN_MIME_TYPE, TRANSLATION_DOMAIN } from '../tokens';
import { readRun, type InlineRun, type Outcome } from './bundle';
import { element, foldable, linkButton } from './elements';
import type { OpenRun } from './live';
import { quietSanitizer } from './quiet';
import { stepRows } from './steps';

/** The answer in a bundle is an excerpt of at most a few thousand characters; a longer one is not of our making. */
const LONGEST_ANSWER = 200_000;

/** Shows a run with its answer and its steps. It needs no server: all of it stands in the notebook. */
export class RunRenderer extends Widget implements IRenderMime.IRenderer {
  /** Make an empty one. */
  constructor(options: IRenderMime.IRendererOptions, openRun: () => OpenRun) {
    super();
    this._options = options;
    this._trans = (options.translator ?? nullTranslator).load(TRANSLATION_DOMAIN);
    this._openRun = openRun;
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
    dot.dataset.status = run.status ?? 'running';
    dot.setAttribute('aria-hidden', 'true');
    const facts = element('span', 'jp-rlm-Inline-facts', figures(run, this._trans).join(' · '));
    const head = element('div', 'jp-rlm-Inline-head', dot, facts);
    const open = this._openRun();
    if (run.runId && open) {
      head.append(linkButton(this._trans.__('Open in the panel'), () => open(run.runId)));
    }
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
      sanitizer: quietSanitizer(sanitizer),
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
      const label = this._trans._n('%1 step', '%1 steps', run.spans.length + run.spansLeftOut);
      const rows = () => stepRows(run.spans, run.spansLeftOut, this._trans);
      made.push(foldable('jp-rlm-Inline-fold', label, rows));
    }
    const steps = typeof html === 'string' ? stepsIn(html) : '';
    if (steps) {
      const label = this._trans.__('Code and outputs');
      made.push(foldable('jp-rlm-Inline-fold', label, () => this._summary(steps)));
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
      sanitizer: quietSanitizer(this._options.sanitizer),
      resolver: null,
      linkHandler: null,
      shouldTypeset: false,
      latexTypesetter: null
    });
    return host;
  }

  private readonly _options: IRenderMime.IRendererOptions;
  private readonly _trans: TranslationBundle;
  private readonly _openRun: () => OpenRun;
}

/** Return what a run came to, in short. */
export function figures(run: InlineRun, trans: TranslationBundle): string[] {
  const told = [statusWord(run.status, trans), run.model];
  if (run.iterations > 0) {
    told.push(trans._n('%1 iteration', '%1 iterations', run.iterations));
  }
  if (run.subcalls > 0) {
    told.push(trans._n('%1 sub-call', '%1 sub-calls', run.subcalls));
  }
  if (run.children > 0) {
    told.push(trans._n('%1 child run', '%1 child runs', run.children));
  }
  if (run.inputTokens !== null || run.outputTokens !== null) {
    told.push(trans.__('%1 in, %2 out', tokens(run.inputTokens), tokens(run.outputTokens)));
  }
  if (run.cost !== null) {
    told.push(money(run.cost));
  }
  if (run.started !== null && run.ended !== null) {
    told.push(seconds(run.ended - run.started));
  }
  return told.filter(Boolean);
}

function statusWord(status: Outcome, trans: TranslationBundle): string {
  const words = {
    ok: trans.__('answered'),
    error: trans.__('failed'),
    interrupted: trans.__('interrupted'),
    limit: trans.__('stopped at a limit')
  };
  return status === null ? trans.__('running') : words[status];
}

function stepsIn(html: string): string {
  // A document of its own: what stands in it loads nothing and runs nothing.
  const page = new DOMParser().parseFromString(html, 'text/html');
  return page.querySelector('.rlm-run > details > div')?.innerHTML ?? '';
}
