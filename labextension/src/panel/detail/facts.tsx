/** What a span took, all below it included. */
import type { ReactElement } from 'react';

import * as format from '../../model/format';
import type { RunModel } from '../../model/run';
import { selfTime, type Span, totalTime } from '../../model/span';
import { useSurroundings } from '../surroundings';
import { useTick } from '../tick';

/** From how many spans below it on it is told once a second only, and milliseconds of a second. */
const MANY = 1_000;
const SECOND = 1_000;

/** How much is told of how replies were sampled: so many arguments, in so many characters each. */
const SAMPLING = 10;
const SAMPLED = 60;

interface FactsProps {
  run: RunModel;
  span: Span;
  visible: boolean;
}

/** What went to the model's API besides the messages, such as `temperature 0.2`. */
function samplingOf(span: Span): string[] {
  const payload = span.start.payload as { sampling?: unknown };
  const sampling = payload.sampling;
  const isNamed = typeof sampling === 'object' && sampling !== null;
  return (isNamed ? Object.entries(sampling) : [])
    .slice(0, SAMPLING)
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`.slice(0, SAMPLED));
}

/** Total and own time, tokens and money of a span, in one line; they go on while it runs. */
export function Facts({ run, span, visible }: FactsProps): ReactElement {
  const { trans } = useSurroundings();
  const isTicking = visible && run.state === 'live' && span.status === 'running';
  // As often as the header's time, which would otherwise be ahead of it.
  useTick(isTicking, span.children.length >= MANY ? SECOND : undefined);
  const now = run.now();
  const { usage } = span;
  const facts = [
    trans.__('Total %1', format.seconds(totalTime(span, now))),
    span.children.length > 0 && trans.__('itself %1', format.seconds(selfTime(span, now))),
    usage.calls > 0 && trans.__('%1 in', format.tokens(usage.inputTokens)),
    usage.calls > 0 && trans.__('%1 out', format.tokens(usage.outputTokens)),
    usage.calls > 0 && format.cost(usage),
    usage.cachedCalls > 0 && trans.__('%1 cached', format.count(usage.cachedCalls)),
    usage.calls > 1 && trans._n('%2 call', '%2 calls', usage.calls, format.count(usage.calls)),
    ...samplingOf(span)
  ];
  return <div className="jp-rlm-Facts jp-rlm-dim">{facts.filter(Boolean).join(' · ')}</div>;
}
