/** What a run has taken so far. */
import type { ReactElement } from 'react';

import type { components } from '../api/generated';
import * as format from '../model/format';
import type { RunModel } from '../model/run';
import { totalTime } from '../model/span';
import { useSurroundings } from './surroundings';

/** The settings and limits that the root span tells of. */
export function rootOf(run: RunModel): components['schemas']['RunStart'] | null {
  const payload = run.tree.root?.start.payload;
  return payload?.kind === 'run' ? payload : null;
}

/** Tokens, money and time of a run, its sub-calls and children included. */
export function Totals({ run }: { run: RunModel }): ReactElement | null {
  const { trans } = useSurroundings();
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
        ? trans.__('in, %1 cached', format.tokens(usage.cachedTokens))
        : trans.__('in')
    ],
    ['total-out', format.tokens(usage.outputTokens), trans.__('out')],
    [
      'total-cost',
      format.cost(usage),
      typeof budget === 'number' && budget > 0
        ? trans.__('of %1', format.money(budget))
        : trans.__('cost')
    ],
    [
      'total-time',
      format.seconds(totalTime(root, run.now())),
      trans._n('%1 iteration', '%1 iterations', iterations)
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
