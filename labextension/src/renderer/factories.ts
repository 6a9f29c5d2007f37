/** What Lab asks for when an output holds one of our MIME types. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { LIVE_MIME_TYPE, RUN_MIME_TYPE } from '../tokens';
import { LiveRenderer, type OpenRun } from './live';
import { RunRenderer } from './run';

/** Before HTML, which has rank 50; the same outputs hold it for other front ends. */
const RANK = 20;

/** Return the factories. They are safe for notebooks that are not trusted: what they show is text. */
export function rendererFactories(openRun: () => OpenRun): IRenderMime.IRendererFactory[] {
  return [
    {
      safe: true,
      mimeTypes: [RUN_MIME_TYPE],
      defaultRank: RANK,
      createRenderer: options => new RunRenderer(options, openRun)
    },
    {
      safe: true,
      mimeTypes: [LIVE_MIME_TYPE],
      defaultRank: RANK,
      createRenderer: options => new LiveRenderer(options, openRun)
    }
  ];
}
