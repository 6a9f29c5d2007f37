/** Says aloud, to those who listen rather than look, what matters of a run. */
import type { ReactElement } from 'react';
import { useEffect, useRef, useState } from 'react';

import { count } from '../model/format';
import { isOutOfIterations } from '../model/names';
import type { PanelModel } from '../model/panel';
import { useStatusWords } from './runs';
import { useSurroundings } from './surroundings';

interface Heard {
  runId: string | null;
  iterations: number;
  status: string | null;
  review: string | null;
}

function stateOf(model: PanelModel): Heard {
  const { run, review } = model;
  const isHere = run !== null && run.state !== 'loading';
  const isSpent =
    run?.run?.status === 'ok' && run.tree.root !== null && isOutOfIterations(run.tree.root);
  return {
    runId: isHere ? run.runId : null,
    iterations: isHere ? run.tree.counts.iterations : 0,
    status: isHere ? (isSpent ? 'spent' : (run.run?.status ?? 'running')) : null,
    review: review?.review_id ?? null
  };
}

/** A live region: iterations, waiting code, the end; never each sub-call. */
export function Live({ model }: { model: PanelModel }): ReactElement {
  const { trans } = useSurroundings();
  const words = useStatusWords();
  const before = useRef<Heard | null>(null);
  const [said, setSaid] = useState('');
  const { runId, iterations, status, review } = stateOf(model);
  useEffect(() => {
    const last = before.current;
    before.current = { runId, iterations, status, review };
    if (review !== null && review !== last?.review) {
      setSaid(trans.__('A code block waits for your decision.'));
    } else if (last === null || last.runId !== runId || status === null) {
      return;
    } else if (status !== last.status) {
      setSaid(trans.__('The run: %1.', words[status] ?? status));
    } else if (iterations > last.iterations && status === 'running') {
      setSaid(trans.__('Iteration %1.', count(iterations)));
    }
    // The words come with the language, which does not change.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [runId, iterations, status, review]);
  return (
    <div className="jp-rlm-Live" aria-live="polite">
      {said}
    </div>
  );
}
