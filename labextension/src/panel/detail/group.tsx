/** Many alike calls in sum. */
import type { ReactElement } from 'react';

import * as format from '../../model/format';
import { type Span, totalTime } from '../../model/span';
import { useSurroundings } from '../surroundings';
import { Nothing, Pairs } from './section';

/** What a folded group of spans took together. */
export function Group({ spans, now }: { spans: readonly Span[]; now: number }): ReactElement {
  const { trans } = useSurroundings();
  const times = spans.map(span => totalTime(span, now)).sort((one, other) => one - other);
  const running = spans.filter(span => span.status === 'running').length;
  const sum = (of: (span: Span) => number): number =>
    spans.reduce((total, span) => total + of(span), 0);
  const unpriced = sum(span => span.usage.unpriced);
  const pairs: [string, string][] = [
    [trans.__('Calls'), String(spans.length)],
    [trans.__('Running'), String(running)],
    [trans.__('Tokens in'), format.tokens(sum(span => span.usage.inputTokens))],
    [trans.__('Tokens out'), format.tokens(sum(span => span.usage.outputTokens))],
    [
      trans.__('Cost'),
      unpriced === spans.length ? '–' : format.money(sum(span => span.usage.cost))
    ],
    [trans.__('Time, summed'), format.seconds(sum(span => totalTime(span, now)))],
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
