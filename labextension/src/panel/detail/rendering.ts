/** Which of Lab's renderers may show what a model wrote. */
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';

/** What is drawn from the output alone; a renderer of another extension may fetch what the output names. */
const ALLOWED: ReadonlySet<string> = new Set([
  'text/plain',
  'text/html',
  'text/markdown',
  'text/latex',
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/bmp',
  'application/json',
  'application/vnd.jupyter.stdout',
  'application/vnd.jupyter.stderr',
  'application/vnd.jupyter.error'
]);

/** Takes the renderers away that may fetch something; the registry must be the panel's own. */
export function withoutFetching(rendermime: IRenderMimeRegistry): IRenderMimeRegistry {
  for (const mimeType of [...rendermime.mimeTypes]) {
    if (!ALLOWED.has(mimeType)) {
      rendermime.removeMimeType(mimeType);
    }
  }
  return rendermime;
}
