/** Magics of the notebook's kernel, run in cells that the user sees. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import { runAtEnd } from './cells';

const LOAD = '%load_ext rlm_jupyter';
const IS_LOADED = "'rlm_jupyter' in get_ipython().extension_manager.loaded";

/** Run a line in a cell at the end of the notebook, which loads the extension first where the kernel lacks it. */
export async function runMagic(panel: NotebookPanel, line: string): Promise<void> {
  await panel.sessionContext.ready;
  await runAtEnd(panel, (await isLoaded(panel)) ? line : `${LOAD}\n${line}`);
}

/** Return whether the kernel knows the magics. A busy one is not asked: the answer would come after its cell. */
async function isLoaded(panel: NotebookPanel): Promise<boolean> {
  const kernel = panel.sessionContext.session?.kernel;
  if (!kernel || kernel.status !== 'idle') {
    return kernel?.status === 'busy';
  }
  const future = kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    user_expressions: { loaded: IS_LOADED }
  });
  const { content } = await future.done;
  if (content.status !== 'ok') {
    return false;
  }
  const loaded = content.user_expressions.loaded as { data?: Record<string, unknown> } | undefined;
  return loaded?.data?.['text/plain'] === 'True';
}
