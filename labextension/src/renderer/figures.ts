/** What a run came to, in short. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { count, money, seconds, tokens } from '../model/format';
import type { InlineRun, Outcome } from './bundle';

/** What of a run is told in one line. */
export type Figures = Pick<
  InlineRun,
  | 'status'
  | 'outOfIterations'
  | 'model'
  | 'iterations'
  | 'subcalls'
  | 'children'
  | 'inputTokens'
  | 'outputTokens'
  | 'cost'
  | 'started'
  | 'ended'
>;

/** Return what a run came to; what nobody knows is left out. */
export function figures(run: Figures, trans: TranslationBundle): string[] {
  const { iterations, subcalls, children } = run;
  const told = [outcomeWord(run, trans), run.model];
  if (iterations > 0) {
    told.push(trans._n('%2 iteration', '%2 iterations', iterations, count(iterations)));
  }
  if (subcalls > 0) {
    told.push(trans._n('%2 sub-call', '%2 sub-calls', subcalls, count(subcalls)));
  }
  if (children > 0) {
    told.push(trans._n('%2 child run', '%2 child runs', children, count(children)));
  }
  if (run.inputTokens !== null || run.outputTokens !== null) {
    told.push(trans.__('%1 in, %2 out', tokens(run.inputTokens), tokens(run.outputTokens)));
  }
  if (run.cost !== null) {
    told.push(money(run.cost));
  }
  if (run.started !== null && run.ended !== null) {
    told.push(seconds(run.ended - run.started));
  }
  return told.filter(Boolean);
}

/** Return what the dot before a run stands for; an answer for want of iterations is one at a limit. */
export function dotOf({ status, outOfIterations }: Figures): string {
  return outOfIterations ? 'limit' : (status ?? 'running');
}

function outcomeWord({ status, outOfIterations }: Figures, trans: TranslationBundle): string {
  if (outOfIterations) {
    return trans.__('out of iterations, answered with what it had');
  }
  const words: Record<NonNullable<Outcome>, string> = {
    ok: trans.__('answered'),
    error: trans.__('failed'),
    interrupted: trans.__('interrupted'),
    limit: trans.__('stopped at a limit')
  };
  return status === null ? trans.__('running') : words[status];
}
