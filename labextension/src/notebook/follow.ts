/** Keeps a panel at the notebook that the user is at. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { ApiError, type Api } from '../api/client';
import type { PanelModel } from '../model/panel';
import { type ActiveNotebook, type Difference, serverPath } from './active';

/** What a run's id looks like; what a notebook says may be anything. */
const RUN_ID = /^[0-9a-f]{32}$/;

/** Whom a panel follows. */
export interface FollowOptions {
  api: Api;
  model: PanelModel;
  active: ActiveNotebook;
}

/** Have the model show the active notebook, until this is disposed. */
export function followActive({ api, model, active }: FollowOptions): IDisposable {
  let before: string | null = null;
  const follow = (_: ActiveNotebook | null, difference: Difference): void => {
    const { panel, path } = active;
    const old = before;
    before = path;
    if (difference === 'path' && path !== null) {
      // Beside a trace notebook the notebook is shown that it belongs to, and that has its own path.
      if (model.notebook?.path === old) {
        model.renameNotebook(path);
      }
    } else if (!isTraceOfShown(model, path)) {
      model.setNotebook(path, active.kernelId);
      void notebookOfTrace(api, panel).then(traced => {
        if (traced !== null && active.panel === panel && !model.isDisposed) {
          model.setNotebook(traced, null);
        }
      });
    }
  };
  active.changed.connect(follow);
  follow(null, 'notebook');
  return new DisposableDelegate(() => active.changed.disconnect(follow));
}

/** Return whether the path is that of the shown notebook's trace: who reads it wants its runs beside it. */
function isTraceOfShown(model: PanelModel, path: string | null): boolean {
  return path !== null && Boolean(model.notebook?.runs.some(run => run.trace_notebook === path));
}

/** Return where the notebook is whose trace this one is, as its metadata tell; null when it is no trace notebook. */
async function notebookOfTrace(api: Api, panel: NotebookPanel | null): Promise<string | null> {
  if (panel === null || serverPath(panel) === null) {
    return null;
  }
  await panel.context.ready;
  const ours = panel.content.model?.getMetadata('rlm_jupyter') as { run_ids?: unknown } | undefined;
  const runId: unknown = Array.isArray(ours?.run_ids) ? ours.run_ids.at(-1) : undefined;
  if (typeof runId !== 'string' || !RUN_ID.test(runId)) {
    return null;
  }
  try {
    return (await api.run(runId)).notebook;
  } catch (error) {
    if (error instanceof ApiError) {
      // The run was deleted, or the server is not there: the panel shows what it has of this notebook.
      return null;
    }
    throw error;
  }
}
