/** Several things in one sentence. */
import type { TranslationBundle } from '@jupyterlab/translation';

/** The words in a row, set apart as the language does it. */
export function listed(words: readonly string[], trans: TranslationBundle): string {
  return words.length === 0
    ? ''
    : words.reduce((all, word) => trans._p('one more in a list', '%1, %2', all, word));
}
