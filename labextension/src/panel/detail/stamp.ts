/** When what the detail shows may have changed. */
import type { GroupRow, Row } from '../../model/rows';
import type { RunModel } from '../../model/run';
import type { Span } from '../../model/span';
import { callOf } from './tabs';

/** From how many spans on the sums of a group are worked out once a second only, while it grows. */
const MANY = 1_000;

function groupStamp(row: GroupRow, run: RunModel): string {
  const isCostly = row.spans.length >= MANY && run.state === 'live';
  return isCostly ? `${Math.floor(Date.now() / 1000)} s` : `${run.tree.version}`;
}

/** What a span is made of, as far as its detail shows it: for an iteration its calls and blocks. */
function partsOf(span: Span): string {
  return span.kind === 'iteration' ? span.children.map(child => child.status).join() : '';
}

/** How much has come of a reply that is being written. */
function writtenOf(span: Span): number {
  const call = span.kind === 'iteration' ? callOf(span) : span;
  return call?.status === 'running' ? (call.written?.text.length ?? 0) : 0;
}

/** How many iterations there are: the messages of a call are told apart from those of the one before. */
function callsOf(span: Span, run: RunModel): string {
  const hasMessages = span.kind === 'iteration' || span.kind === 'model_call';
  return hasMessages ? `${run.tree.counts.iterations}` : '';
}

/** A text that is another one when the detail of a span or of a group may show something else. */
export function stampOf(span: Span, row: Row | null, run: RunModel): string {
  if (row?.type === 'group') {
    return groupStamp(row, run);
  }
  // A run's question and answer in full come with the run.
  const { question, answer } = run.run ?? {};
  const texts = span.kind === 'run' ? `${question?.length ?? 0} ${answer?.length ?? 0}` : '';
  // What comes late in what has ended changes its sums; those of what runs are told anew anyway.
  const late = span.status === 'running' ? '' : `${span.usage.calls}`;
  return [
    run.state,
    span.status,
    partsOf(span),
    callsOf(span, run),
    texts,
    late,
    writtenOf(span)
  ].join(' ');
}
