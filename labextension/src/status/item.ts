/** The item in the status bar: what the active notebook's runs cost. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Signal, type ISignal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { rlmIcon } from '../icon';
import { count, UNKNOWN } from '../model/format';
import { spentIn, type Spending, type Spent } from './cost';

/** A panel's model, as far as it goes here. */
export interface ChangingSpending extends Spending {
  readonly changed: ISignal<unknown, void>;
}

/** What the item needs. */
export interface StatusOptions {
  model: ChangingSpending;
  trans: TranslationBundle;
  /** Bring the panel up. */
  open(): void;
}

/** A button that says the cost of the run under way, or of the session. */
export class StatusItem extends Widget {
  /** See StatusOptions. */
  constructor({ model, trans, open }: StatusOptions) {
    const node = document.createElement('button');
    super({ node });
    node.type = 'button';
    this._model = model;
    this._trans = trans;
    this._open = open;
    this.addClass('jp-rlm-Status');
    rlmIcon.element({
      container: node.appendChild(document.createElement('span')),
      height: '14px'
    });
    node.append(this._text);
    model.changed.connect(this._show, this);
    this._show();
  }

  /** Emitted when there is something to show, or no longer. */
  get isActiveChanged(): ISignal<this, void> {
    return this._isActiveChanged;
  }

  /** Whether there is something to show. */
  get isActive(): boolean {
    return this._isEnabled && this._spent !== null;
  }

  /** Whether the user wants it. */
  set isEnabled(isEnabled: boolean) {
    this._isEnabled = isEnabled;
    this._isActiveChanged.emit();
  }

  /** Show the panel when it is clicked. */
  handleEvent(event: Event): void {
    if (event.type === 'click') {
      this._open();
    }
  }

  /** Be there no more. */
  override dispose(): void {
    if (!this.isDisposed) {
      this._model.changed.disconnect(this._show, this);
      Signal.clearData(this);
      super.dispose();
    }
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.node.addEventListener('click', this);
  }

  protected override onBeforeDetach(message: Message): void {
    this.node.removeEventListener('click', this);
    super.onBeforeDetach(message);
  }

  private _show(): void {
    const wasActive = this.isActive;
    this._spent = spentIn(this._model);
    if (this._spent !== null) {
      const text = this._textOf(this._spent);
      if (this._text.textContent !== text) {
        this._text.textContent = text;
        this.node.title = this._captionOf(this._spent);
      }
    }
    if (this.isActive !== wasActive) {
      this._isActiveChanged.emit();
    }
  }

  private _textOf({ cost, running, isRunning, halt }: Spent): string {
    const told = halt === null ? [] : [this._haltOf(halt)];
    if (cost !== UNKNOWN) {
      told.push(cost);
    }
    if (running !== null && running > 0) {
      told.push(
        this._trans._n('%2 sub-call running', '%2 sub-calls running', running, count(running))
      );
    }
    return told.length === 0 && isRunning ? this._trans.__('running') : told.join(' · ');
  }

  private _haltOf(halt: NonNullable<Spent['halt']>): string {
    return halt === 'decision'
      ? this._trans.__('waits for your decision')
      : this._trans.__('paused');
  }

  private _captionOf({ isRunning }: Spent): string {
    return isRunning
      ? this._trans.__('Cost of the run under way. Click to show the panel.')
      : this._trans.__('Cost of the session. Click to show the panel.');
  }

  private readonly _model: ChangingSpending;
  private readonly _trans: TranslationBundle;
  private readonly _open: () => void;
  private readonly _text = document.createElement('span');
  private readonly _isActiveChanged = new Signal<this, void>(this);
  private _spent: Spent | null = null;
  private _isEnabled = true;
}
