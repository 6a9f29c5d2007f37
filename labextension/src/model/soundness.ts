import type { SpanEnd, SpanText } from '../api/types';
import { KINDS, type Kind, STATUSES, type Span, type SpanStatus } from './span';

/** The id of the span that is the run itself. */
export const ROOT_SPAN = 's1';

const ENDED = STATUSES.filter(status => status !== 'running');

/** What an event may be if nobody has looked at it. */
type Odd = {
  event?: unknown;
  span_id?: unknown;
  seq?: unknown;
  text?: unknown;
  payload?: { kind?: unknown } | null;
} | null;

/** Return of which kind the span is that an event opens; null when it opens none, or of a kind that is not known here. */
export function kindOpened(event: unknown): Kind | null {
  const told = event as Odd;
  if (told?.event !== 'start' || typeof told.span_id !== 'string') {
    return null;
  }
  const kind = told.payload?.kind as Kind;
  return KINDS.includes(kind) ? kind : null;
}

/** Return whether an event is an end that says of which span. */
export function isEnd(event: unknown): event is SpanEnd {
  const told = event as Odd;
  return told?.event === 'end' && typeof told.span_id === 'string';
}

/** Return whether an event is a piece of a reply that says of which span, and where it belongs. */
export function isText(event: unknown): event is SpanText {
  const told = event as Odd;
  const isPiece = told?.event === 'text' && typeof told.span_id === 'string';
  return isPiece && Number.isFinite(told.seq) && typeof told.text === 'string';
}

/** Return how a span ended; an unknown status is one that went wrong. */
export function statusOf(end: SpanEnd): SpanStatus {
  return ENDED.includes(end.status) ? end.status : 'error';
}

/** Return the id of a span's parent; what names none stands below the run itself. */
export function parentOf(span: Span): string {
  const parent = span.start.parent_id;
  return typeof parent === 'string' ? parent : ROOT_SPAN;
}
