import type { MessageRecord } from '../api/types';
import type { Span } from './span';

/** What a run's model was sent in one call. */
export interface Messages {
  /** What came to the conversation with this call. */
  readonly added: readonly MessageRecord[];
  /** The whole conversation, as far as it is known. */
  readonly whole: readonly MessageRecord[];
  /** How many messages at the beginning are not known, because earlier calls have not come. */
  readonly missing: number;
}

/** Return what was sent in a model call; for another span nothing. */
export function messagesOf(call: Span): Messages {
  let whole: readonly MessageRecord[] = [];
  let missing = 0;
  for (const each of callsUpTo(call)) {
    const kept = keptBy(each);
    const known = kept - missing;
    if (known > 0 && known <= whole.length) {
      whole = [...whole.slice(0, known), ...addedBy(each)];
    } else {
      // It goes on from messages that an earlier call told of, and that call is not here.
      [missing, whole] = [kept, addedBy(each)];
    }
  }
  return { added: call.kind === 'model_call' ? addedBy(call) : [], whole, missing };
}

/** Return the model calls of the same run up to this one, in order. */
function callsUpTo(call: Span): Span[] {
  const run = call.run;
  if (call.kind !== 'model_call' || run === null) {
    return [];
  }
  const calls: Span[] = [];
  const pending = [run];
  for (let span = pending.pop(); span !== undefined; span = pending.pop()) {
    if (span.kind === 'model_call' && span.seq <= call.seq) {
      calls.push(span);
    }
    if (span.kind !== 'code' && (span.kind !== 'run' || span === run)) {
      for (const child of span.children) {
        pending.push(child);
      }
    }
  }
  return calls.sort((one, other) => one.seq - other.seq);
}

function addedBy(call: Span): readonly MessageRecord[] {
  const payload = call.start.payload;
  const added: readonly unknown[] =
    payload.kind === 'model_call' && Array.isArray(payload.added) ? payload.added : [];
  return added.filter(isMessage);
}

function keptBy(call: Span): number {
  const kept = call.start.payload.kind === 'model_call' ? call.start.payload.kept : 0;
  return Number.isSafeInteger(kept) ? Math.max(0, kept) : 0;
}

function isMessage(message: unknown): message is MessageRecord {
  const record = message as Partial<MessageRecord> | null;
  return typeof record?.role === 'string' && typeof record.digest === 'string';
}
