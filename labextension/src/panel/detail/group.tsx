/** Many alike calls in sum. */
import type { ReactElement } from 'react';

import * as format from '../../model/format';
import { spanOfAll, timeOfAll, usageOfAll } from '../../model/groups';
import type { RunModel } from '../../model/run';
import { type Span, totalTime } from '../../model/span';
import { useSurroundings } from '../surroundings';
import { useTick } from '../tick';
import { Nothing, Pairs } from './section';

/** Milliseconds between two renderings while some run: there may be very many to sum up. */
const INTERVAL = 1_000;

interface GroupProps {
  run: RunModel;
  spans: readonly Span[];
  visible: boolean;
}

/** What a folded group of spans took together. */
export function Group({ run, spans, visible }: GroupProps): ReactElement {
  const { trans } = useSurroundings();
  const now = run.now();
  const times = spans.map(span => totalTime(span, now)).sort((one, other) => one - other);
  const running = spans.filter(span => span.status === 'running').length;
  useTick(visible && run.state === 'live' && running > 0, INTERVAL);
  const usage = usageOfAll(spans);
  const pairs: [string, string][] = [
    [trans.__('Calls'), format.count(spans.length)],
    [trans.__('Running'), format.count(running)],
    [trans.__('Tokens in'), format.tokens(usage.inputTokens)],
    [trans.__('Tokens out'), format.tokens(usage.outputTokens)],
    [trans.__('Cost'), format.cost(usage)],
    ...(usage.cachedCalls > 0
      ? [[trans.__('Cached'), format.count(usage.cachedCalls)] as [string, string]]
      : []),
    [trans.__('Time'), format.seconds(spanOfAll(spans, now))],
    [trans.__('Time, summed'), format.seconds(timeOfAll(spans, now))],
    [trans.__('Shortest'), format.seconds(times[0] ?? null)],
    [trans.__('Median'), format.seconds(times[times.length >> 1] ?? null)],
    [trans.__('Longest'), format.seconds(times.at(-1) ?? null)]
  ];
  return (
    <>
      <Pairs pairs={pairs} />
      <Nothing>{trans.__('Press the right arrow key in the tree to see them one by one.')}</Nothing>
    </>
  );
}
