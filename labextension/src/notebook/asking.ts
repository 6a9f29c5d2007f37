/** What commands ask the user for when they were not told. */
import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Api } from '../api/client';
import type { Session } from '../api/types';
import { plainLine } from '../model/plain';
import type { AnyRun } from '../panel/actions';

/** Asks; null when the user says no. */
export class Asking {
  /** Formats are the server's. */
  constructor(
    private readonly api: Api,
    private readonly trans: TranslationBundle
  ) {}

  /** Ask for a note to the model. */
  async note(): Promise<string | null> {
    const { button, value } = await InputDialog.getText({
      title: this.trans.__('Note to the model'),
      placeholder: this.trans.__('It is told before its next iteration.'),
      okLabel: this.trans.__('Send'),
      cancelLabel: this.trans.__('Cancel')
    });
    return button.accept && value?.trim() ? value.trim() : null;
  }

  /** Ask which session; there must be one. */
  async session(sessions: readonly Session[]): Promise<string | null> {
    const labels = sessions.map(
      (session, index) => `${index + 1}. ${plainLine(session.first_question)}`
    );
    const chosen = await this.choose(this.trans.__('Resume which session?'), labels);
    return chosen === null ? null : sessions[chosen].session_id;
  }

  /** Ask which format of a run. */
  async format(runId: string): Promise<string | null> {
    const formats = await this.api.artifacts(runId);
    const labels = formats.map(({ format, summary }) => `${format}: ${summary}`);
    const chosen = await this.choose(this.trans.__('Export as'), labels);
    return chosen === null ? null : formats[chosen].format;
  }

  private async choose(title: string, items: string[]): Promise<number | null> {
    const { button, value } = await InputDialog.getItem({
      title,
      items,
      okLabel: this.trans.__('Ok'),
      cancelLabel: this.trans.__('Cancel')
    });
    const chosen = value === null ? -1 : items.indexOf(value);
    return button.accept && chosen >= 0 ? chosen : null;
  }
}

/** Return whether the user says that a run may be deleted. */
export async function mayDelete(run: AnyRun, trans: TranslationBundle): Promise<boolean> {
  const { button } = await showDialog({
    title: trans.__('Delete this run?'),
    body: trans.__(
      '“%1” is deleted from the panel for good. The notebook and its trace notebook stay as they are.',
      plainLine(run.question, 120)
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: trans.__('Delete') })
    ],
    defaultButton: 0
  });
  return button.accept;
}
