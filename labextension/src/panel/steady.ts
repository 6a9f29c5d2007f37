/** A run as the views show it, which changes more seldom than its counts do. */
import { useRef } from 'react';

import type { AnyRun } from './actions';

/** What changes all the time while a run is under way, and is shown from its spans. */
const COUNTS: ReadonlySet<string> = new Set([
  'last_seq',
  'events',
  'missing',
  'iterations',
  'subcalls',
  'children',
  'input_tokens',
  'output_tokens',
  'cost',
  'steered'
]);

function isSame(one: AnyRun | null, other: AnyRun | null): boolean {
  if (one === null || other === null) {
    return one === other;
  }
  const before = one as unknown as Record<string, unknown>;
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].every(name => {
    const [was, is] = [before[name], (other as unknown as Record<string, unknown>)[name]];
    const isEqual =
      typeof is === 'object' ? JSON.stringify(was) === JSON.stringify(is) : was === is;
    return isEqual || COUNTS.has(name);
  });
}

/** The run as it was given before, for as long as nothing but its counts is different. */
export function useSteady(run: AnyRun | null): AnyRun | null {
  const kept = useRef(run);
  if (kept.current !== run && !isSame(kept.current, run)) {
    kept.current = run;
  }
  return kept.current;
}
