/** What a span took, all below it included. */
import type { ReactElement } from 'react';

import * as format from '../../model/format';
import { selfTime, type Span, totalTime } from '../../model/span';
import { useSurroundings } from '../surroundings';

/** Total and own time, tokens and money of a span, in one line. */
export function Facts({ span, now }: { span: Span; now: number }): ReactElement {
  const { trans } = useSurroundings();
  const { usage } = span;
  const facts = [
    trans.__('Total %1', format.seconds(totalTime(span, now))),
    span.children.length > 0 && trans.__('itself %1', format.seconds(selfTime(span, now))),
    usage.calls > 0 && trans.__('%1 in', format.tokens(usage.inputTokens)),
    usage.calls > 0 && trans.__('%1 out', format.tokens(usage.outputTokens)),
    usage.calls > 0 && format.cost(usage),
    usage.calls > 1 && trans._n('%1 call', '%1 calls', usage.calls)
  ];
  return <div className="jp-rlm-Facts jp-rlm-dim">{facts.filter(Boolean).join(' · ')}</div>;
}
