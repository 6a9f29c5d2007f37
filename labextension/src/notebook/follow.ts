/** Keeps a panel at the notebook that the user is at. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { ApiError, type Api } from '../api/client';
import type { PanelModel } from '../model/panel';
import type { Settings } from '../settings';
import type { ActiveNotebook, Difference } from './active';

/** Whom a panel follows, and how. */
export interface FollowOptions {
  api: Api;
  model: PanelModel;
  active: ActiveNotebook;
  settings: Settings;
}

/** Have the model show the active notebook, until this is disposed. */
export function followActive({ api, model, active, settings }: FollowOptions): IDisposable {
  const show = (path: string | null, kernelId: string | null): void => {
    const before = model.notebook;
    model.setNotebook(path, kernelId);
    if (model.notebook !== before && !settings.values.follow) {
      model.setFollow(false);
    }
  };
  const follow = (_: ActiveNotebook | null, difference: Difference): void => {
    const { panel, path } = active;
    if (difference === 'path' && path !== null && model.notebook !== null) {
      model.renameNotebook(path);
    } else if (!isTraceOfShown(model, path)) {
      show(path, active.kernelId);
      void notebookOfTrace(api, panel).then(traced => {
        if (traced !== null && active.panel === panel && !model.isDisposed) {
          show(traced, null);
        }
      });
    }
  };
  const heed = (): void => {
    model.setGrouping(settings.values.grouping);
    model.setReviewing(settings.values.review);
    if (!settings.values.follow) {
      model.setFollow(false);
    }
  };
  active.changed.connect(follow);
  settings.changed.connect(heed);
  heed();
  follow(null, 'notebook');
  return new DisposableDelegate(() => {
    active.changed.disconnect(follow);
    settings.changed.disconnect(heed);
  });
}

/** Return whether the path is that of the shown notebook's trace: who reads it wants its runs beside it. */
function isTraceOfShown(model: PanelModel, path: string | null): boolean {
  return path !== null && Boolean(model.notebook?.runs.some(run => run.trace_notebook === path));
}

/** Return where the notebook is whose trace this one is, as its metadata tell; null when it is no trace notebook. */
async function notebookOfTrace(api: Api, panel: NotebookPanel | null): Promise<string | null> {
  await panel?.context.ready;
  const ours = panel?.content.model?.getMetadata('rlm_jupyter') as
    { run_ids?: unknown } | undefined;
  const runId: unknown = Array.isArray(ours?.run_ids) ? ours.run_ids.at(-1) : undefined;
  if (typeof runId !== 'string') {
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
