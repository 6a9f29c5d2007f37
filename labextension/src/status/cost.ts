/** What the status bar says of a notebook's runs. */
import type { Run, Steered } from '../api/types';
import { cost, money } from '../model/format';
import type { Usage } from '../model/usage';

/** What of a panel's model it is read from. */
export interface Spending {
  readonly notebook: {
    readonly runs: readonly Pick<Run, 'run_id' | 'session_id' | 'status' | 'cost'>[];
    readonly session: string | null;
  } | null;
  readonly run: {
    readonly runId: string;
    /** Whether its spans are not kept up to date. */
    readonly isResting?: boolean;
    /** How it is steered while it is under way. */
    readonly steered?: Pick<Steered, 'paused' | 'review'> | null;
    readonly tree: {
      readonly root: { readonly usage: Pick<Usage, 'calls' | 'cost' | 'unpriced'> } | null;
      readonly counts: { readonly subcalls: { readonly running: number } };
    };
  } | null;
}

/** What is under way, or what the session came to. */
export interface Spent {
  isRunning: boolean;
  /** In words, as `money` and `cost` put it. */
  cost: string;
  /** Sub-calls that are under way; null when it is not known. */
  running: number | null;
  /** Why it does not go on: a block waits for the user's decision, or the user halted it. */
  halt: 'decision' | 'paused' | null;
}

/** Return what the notebook's run under way took until now, or else its last session; null when there is nothing. */
export function spentIn({ notebook, run: shown }: Spending): Spent | null {
  const runs = notebook?.runs ?? [];
  const underWay = runs.find(run => run.status === null);
  if (underWay) {
    const open = shown?.runId === underWay.run_id ? shown : null;
    const tree = open?.isResting ? null : open?.tree;
    const halt = open?.steered?.review ? 'decision' : open?.steered?.paused ? 'paused' : null;
    return {
      isRunning: true,
      cost: tree?.root ? cost(tree.root.usage) : money(underWay.cost),
      running: tree?.counts.subcalls.running ?? null,
      halt
    };
  }
  const session = notebook?.session ?? runs[0]?.session_id ?? null;
  const known = runs.flatMap(run =>
    run.session_id === session && run.cost !== null ? [run.cost] : []
  );
  if (known.length === 0) {
    return null;
  }
  const sum = known.reduce((total, one) => total + one, 0);
  return { isRunning: false, cost: money(sum), running: null, halt: null };
}
