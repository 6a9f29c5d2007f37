/** Which run this one takes up again, and which one took it up. */
import type { ReactElement } from 'react';

import { takenUpBy } from '../model/again';
import { clockTime } from '../model/format';
import type { PanelModel } from '../model/panel';
import type { RunModel } from '../model/run';
import { Button, Sign } from './button';
import { useStatusWords } from './runs';
import { useSurroundings } from './surroundings';
import { rootOf } from './totals';

interface LineageProps {
  model: PanelModel;
  run: RunModel;
}

/** The links from a run that was cut to the one that goes on with it, and back. */
export function Lineage({ model, run }: LineageProps): ReactElement | null {
  const { trans } = useSurroundings();
  const words = useStatusWords();
  const runs = model.notebook?.runs ?? [];
  const before = run.run?.resumes ?? rootOf(run)?.resumes ?? null;
  const after = takenUpBy(run.runId, runs);
  if (before === null && after === null) {
    return null;
  }
  const began = runs.find(({ run_id }) => run_id === before)?.began;
  return (
    <div className="jp-rlm-line jp-rlm-Lineage" role="group" aria-label={trans.__('Resumed runs')}>
      {before !== null && (
        <Button
          label={trans.__('The run that this one goes on with')}
          tone="link"
          onClick={() => model.openRun(before)}
        >
          <Sign>↰</Sign>{' '}
          {began === undefined
            ? trans.__('goes on with an earlier run')
            : trans.__('goes on with the run of %1', clockTime(began))}
        </Button>
      )}
      {after !== null && (
        <Button
          label={trans.__('The run that goes on with this one')}
          tone="link"
          onClick={() => model.openRun(after.run_id)}
        >
          <Sign>↳</Sign>{' '}
          {trans.__(
            'resumed at %1: %2',
            clockTime(after.began),
            words[after.status ?? 'running'] ?? ''
          )}
        </Button>
      )}
    </div>
  );
}
