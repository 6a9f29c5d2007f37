/** What is chosen in a panel, as the rest of Lab needs it. */
import type { PanelModel } from '../model/panel';
import type { ActiveNotebook } from './active';

/** Return the id of the span at which a run is to be shown elsewhere; null when the panel goes along with the run. */
export function spanToShow(model: PanelModel, runId: string): string | null {
  const { run, span, follow } = model;
  const goesAlong = follow && run?.state === 'live';
  return run?.runId === runId && !goesAlong ? (span?.id ?? null) : null;
}

/** Return the ids of the chosen span of a run, and of those that it is in, from the inside out. */
export function spansChosen({ run, span }: PanelModel, runId: string): string[] {
  const ids: string[] = [];
  for (let at = run?.runId === runId ? span : null; at !== null; at = at.parent) {
    ids.push(at.id);
  }
  return ids;
}

/** Return the path of the notebook in which a panel does something; null when there is none. */
export function notebookMeant(model: PanelModel, active: ActiveNotebook): string | null {
  if (model.notebook !== null) {
    return model.notebook.path;
  }
  return model.run === null ? active.path : (model.run.run?.notebook ?? null);
}

/** Return where the notebook is that a run was asked in, as far as the panel knows. */
export function whereIs({ notebook, run }: PanelModel, runId: string): string | null {
  const listed = notebook?.runs.find(({ run_id }) => run_id === runId);
  const known = run?.runId === runId ? run.run : listed;
  return (known ?? listed)?.notebook ?? null;
}
