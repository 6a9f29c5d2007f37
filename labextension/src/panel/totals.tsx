/** What a run has taken so far. */
import type { ReactElement } from 'react';

import type { components } from '../api/generated';
import * as format from '../model/format';
import type { RunModel } from '../model/run';
import { totalTime } from '../model/span';
import { useSurroundings } from './surroundings';
import { useTick } from './tick';

/** The settings and limits that the root span tells of. */
export function rootOf(run: RunModel): components['schemas']['RunStart'] | null {
  const payload = run.tree.root?.start.payload;
  return payload?.kind === 'run' ? payload : null;
}

interface TotalsProps {
  run: RunModel;
  visible: boolean;
}

/** Tokens, money and time of a run, its sub-calls and children included. */
export function Totals({ run, visible }: TotalsProps): ReactElement | null {
  const { trans } = useSurroundings();
  useTick(visible && run.state === 'live' && run.tree.root !== null);
  const root = run.tree.root;
  if (!root) {
    return null;
  }
  const { usage } = root;
  const budget = rootOf(run)?.settings?.budget;
  const { iterations } = run.tree.counts;
  const facts: [string, string, string][] = [
    [
      'total-in',
      format.tokens(usage.inputTokens),
      usage.cachedTokens > 0
        ? trans._p('tokens', 'in, %1 cached', format.tokens(usage.cachedTokens))
        : trans._p('tokens', 'in')
    ],
    ['total-out', format.tokens(usage.outputTokens), trans._p('tokens', 'out')],
    [
      'total-cost',
      format.cost(usage),
      typeof budget === 'number' && budget > 0
        ? trans._p('money', 'of %1', format.money(budget))
        : usage.cachedCalls > 0
          ? trans._p('money', 'cost, %1 cached', format.count(usage.cachedCalls))
          : trans._p('money', 'cost')
    ],
    [
      'total-time',
      format.seconds(totalTime(root, run.now())),
      trans._n('%2 iteration', '%2 iterations', iterations, format.count(iterations))
    ]
  ];
  return (
    <dl className="jp-rlm-Totals">
      {facts.map(([key, value, what]) => (
        <div key={key}>
          <dt className="jp-rlm-dim" title={what}>
            {what}
          </dt>
          <dd className="jp-rlm-num" data-rlm={key}>
            {value}
          </dd>
        </div>
      ))}
    </dl>
  );
}
