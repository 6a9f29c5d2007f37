/** What Lab asks for when an output holds one of our MIME types. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { LIVE_MIME_TYPE, RUN_MIME_TYPE } from '../tokens';
import type { Endings } from './endings';
import type { Panel } from './link';
import { LiveRenderer } from './live';
import { RunRenderer } from './run';

/** Before HTML, which has rank 50; the same outputs hold it for other front ends. */
const RANK = 20;

/** Return the factories. They are safe for notebooks that are not trusted: what they show is text. */
export function rendererFactories(
  panel: Panel,
  endings: Endings | null = null
): IRenderMime.IRendererFactory[] {
  return [
    {
      safe: true,
      mimeTypes: [RUN_MIME_TYPE],
      defaultRank: RANK,
      createRenderer: options => new RunRenderer(options, panel)
    },
    {
      safe: true,
      mimeTypes: [LIVE_MIME_TYPE],
      defaultRank: RANK,
      createRenderer: options => new LiveRenderer(options, panel, endings)
    }
  ];
}
