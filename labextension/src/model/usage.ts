import type { SpanEnd, UsageRecord } from '../api/types';

/** What model calls took: tokens, requests (repeated ones included), and US dollars of the calls whose price is known. */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  cachedTokens: number;
  calls: number;
  /** Calls whose cost nobody told, requests that were lost and sent again among them; with any, `cost` is the least that was spent. */
  unpriced: number;
  /** Calls whose tokens nobody told. */
  uncounted: number;
  cost: number;
  /** Replies that came from a recording; they took nothing of the above. */
  cachedCalls: number;
}

/** Beyond that a count is nonsense; the server's sums leave it out as well. */
const LIMIT = 1e11;

/** Return a usage of nothing. */
export function noUsage(): Usage {
  return {
    inputTokens: 0,
    outputTokens: 0,
    cachedTokens: 0,
    calls: 0,
    unpriced: 0,
    uncounted: 0,
    cost: 0,
    cachedCalls: 0
  };
}

/** Add what other calls took to a usage. */
export function addUsage(to: Usage, other: Usage): void {
  to.inputTokens += other.inputTokens;
  to.outputTokens += other.outputTokens;
  to.cachedTokens += other.cachedTokens;
  to.calls += other.calls;
  to.unpriced += other.unpriced;
  to.uncounted += other.uncounted;
  to.cost += other.cost;
  to.cachedCalls += other.cachedCalls;
}

/** Return what one call took, as its end tells it; null when the end is not that of a call. */
export function usageOfCall(end: SpanEnd): Usage | null {
  const payload = end.payload as SpanEnd['payload'] | null;
  if (payload?.kind !== 'model_call' && payload?.kind !== 'subcall') {
    return null;
  }
  if (payload.cached) {
    return { ...noUsage(), cachedCalls: 1 };
  }
  const told: Partial<UsageRecord> = payload.usage ?? {};
  const input = known(told.input_tokens);
  const output = known(told.output_tokens);
  const cost = known(told.cost);
  return {
    inputTokens: input ?? 0,
    outputTokens: output ?? 0,
    cachedTokens: known(told.cached_input_tokens) ?? 0,
    calls: 1 + (known(payload.retries) ?? 0),
    unpriced: (cost === null ? 1 : 0) + (known(payload.lost) ?? 0),
    uncounted: input === null && output === null ? 1 : 0,
    cost: cost ?? 0,
    cachedCalls: 0
  };
}

function known(value: unknown): number | null {
  return typeof value === 'number' && value >= 0 && value < LIMIT ? value : null;
}
