import type { SpanEnd, SpanEvent, SpanStart, SpanText } from '../../src/api/types';
import type { Kind } from '../../src/model/span';

type Payload = Record<string, unknown>;

const START_DEFAULTS: Record<Kind, Payload> = {
  run: {
    question: 'Which?',
    model: 'root-model',
    backend: 'b',
    environment: 'e',
    max_iterations: 30
  },
  iteration: { number: 1 },
  model_call: { model: 'root-model', kept: 0, added: [] },
  code: { code: 'x = 1', index: 1 },
  subcall: { model: 'small', prompt: 'd' }
};

/** Return the start of a span; its number is its time, unless `payload` or `at` say otherwise. */
export function start(
  seq: number,
  id: string,
  parent: string | null,
  kind: Kind,
  payload: Payload = {},
  at = seq
): SpanStart {
  const all = { kind, ...START_DEFAULTS[kind], ...payload };
  const event = { event: 'start', version: 1, run_id: 'r', seq, span_id: id, parent_id: parent };
  return { ...event, started: at, payload: all } as unknown as SpanStart;
}

/** Return the end of a span. */
export function end(
  seq: number,
  id: string,
  kind: Kind,
  status = 'ok',
  payload: Payload = {},
  at = seq
): SpanEnd {
  const event = { event: 'end', version: 1, run_id: 'r', seq, span_id: id, ended: at, status };
  return { ...event, payload: { kind, ...payload } } as unknown as SpanEnd;
}

/** Return a piece of a reply while it comes. */
export function piece(seq: number, id: string, text: string, anew = false): SpanText {
  return { event: 'text', version: 1, run_id: 'r', seq, span_id: id, at: seq, text, anew };
}

/** Return the end of a call that took tokens and money. */
export function reply(
  seq: number,
  id: string,
  kind: 'model_call' | 'subcall',
  input: number | null,
  output: number | null,
  cost: number | null
): SpanEnd {
  return end(seq, id, kind, 'ok', {
    usage: { input_tokens: input, output_tokens: output, cost },
    retries: 0
  });
}

/** Return a source of chance that gives the same numbers each time: from 0 to 1. */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Return the same in another order. */
export function shuffled<T>(things: readonly T[], random: () => number): T[] {
  const copy = [...things];
  for (let last = copy.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [copy[last], copy[other]] = [copy[other], copy[last]];
  }
  return copy;
}

/** Return a run of this many spans, made by chance: nested, some failed, all ended. */
export function randomRun(spans: number, random: () => number): SpanEvent[] {
  const kinds: Kind[] = ['run', 'iteration', 'model_call', 'code', 'subcall'];
  const events: SpanEvent[] = [start(0, 's1', null, 'run')];
  const made: { id: string; kind: Kind }[] = [{ id: 's1', kind: 'run' }];
  for (let number = 2; number <= spans; number++) {
    const kind = kinds[Math.floor(random() * kinds.length)];
    const parent = made[Math.floor(random() * made.length)];
    const batch = random() < 0.5 ? { batch: 'b1', index: number } : {};
    events.push(start(events.length, `s${number}`, parent.id, kind, batch));
    made.push({ id: `s${number}`, kind });
  }
  for (const { id, kind } of made.reverse()) {
    const status = random() < 0.1 ? 'error' : 'ok';
    // Quarters of a dollar add up to the same in every order.
    const cost = random() < 0.2 ? null : Math.floor(random() * 8) / 4;
    const usage = { input_tokens: Math.floor(random() * 100), output_tokens: 3, cost };
    events.push(end(events.length, id, kind, status, { usage, retries: 0 }));
  }
  return events;
}
