/** Links to a run, and to a span in it: `?rlm=RUN_ID:SPAN_ID` on the address of its notebook. */
import { PageConfig, URLExt } from '@jupyterlab/coreutils';

/** What a link leads to. */
export interface Target {
  runId: string;
  spanId: string | null;
  /** The notebook in whose address it stands. */
  notebook: string | null;
}

/** What the router looks for in an address. */
export const LINK_PATTERN = /[?&]rlm=[0-9a-f]{32}/;

const VALUE = /^([0-9a-f]{32})(?::([\w.-]{1,64}))?$/;

/** Return what an address (the path, and what follows it) leads to, or null when it is no such link. */
export function readLink(path: string, search: string): Target | null {
  const match = VALUE.exec(new URLSearchParams(search).get('rlm') ?? '');
  return match && { runId: match[1], spanId: match[2] ?? null, notebook: notebookIn(path) };
}

/** Return the address that leads to a run, or to a span in it, on this server. */
export function linkTo(notebook: string | null, runId: string, spanId: string | null): string {
  const value = spanId === null ? runId : `${runId}:${spanId}`;
  return `${pageOf(notebook)}?rlm=${value}`;
}

function pageOf(notebook: string | null): string {
  if (PageConfig.getOption('notebookPage')) {
    const base = PageConfig.getBaseUrl();
    return notebook === null
      ? URLExt.join(base, 'tree')
      : URLExt.join(base, 'notebooks', URLExt.encodeParts(notebook));
  }
  return PageConfig.getUrl({
    mode: 'multiple-document',
    workspace: PageConfig.defaultWorkspace,
    // Without one, that of this page would be taken.
    treePath: notebook ?? ''
  });
}

function notebookIn(path: string): string | null {
  const match = /\/(?:tree|notebooks)\/([^?#]+)/.exec(path);
  try {
    return match && decodeURIComponent(match[1]);
  } catch {
    return null;
  }
}
