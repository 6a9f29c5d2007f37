/** How far a run is: its sub-calls, or its iterations while there are none. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactElement } from 'react';

import { count } from '../model/format';
import type { RunModel } from '../model/run';
import { listed } from './listing';
import { useSurroundings } from './surroundings';
import { rootOf } from './totals';

interface Part {
  part: 'done' | 'failed' | 'stopped' | 'running';
  number: number;
}

interface Numbers {
  subcalls: number;
  children: number;
}

function wordsOf(parts: readonly Part[], numbers: Numbers, trans: TranslationBundle): string {
  const saying: Record<Part['part'], (number: string) => string> = {
    done: number => trans.__('%1 done', number),
    failed: number => trans.__('%1 failed', number),
    stopped: number => trans.__('%1 stopped', number),
    running: number => trans.__('%1 running', number)
  };
  const said = parts
    .filter(({ number }) => number > 0)
    .map(({ part, number }) => saying[part](count(number)));
  const { subcalls, children } = numbers;
  const what = [
    subcalls > 0 && trans._n('%2 sub-call', '%2 sub-calls', subcalls, count(subcalls)),
    children > 0 && trans._n('%2 child run', '%2 child runs', children, count(children))
  ].filter(Boolean) as string[];
  return trans.__('%1: %2', listed(what, trans), listed(said, trans));
}

interface LineProps {
  label: string;
  words: string;
  parts: readonly Part[];
  all: number;
}

function Line({ label, words, parts, all }: LineProps): ReactElement {
  const running = parts.find(({ part }) => part === 'running')?.number ?? 0;
  return (
    <div
      className="jp-rlm-Progress"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={all}
      aria-valuenow={all - running}
      aria-valuetext={words}
    >
      {parts.map(({ part, number }) => (
        <span
          key={part}
          data-part={part}
          className={part === 'running' ? 'jp-rlm-striped' : undefined}
          style={{ width: `${(100 * number) / Math.max(all, 1)}%` }}
        />
      ))}
    </div>
  );
}

/** That the model is writing, and how much it has written. */
function Writing({ run }: { run: RunModel }): ReactElement | null {
  const { trans } = useSurroundings();
  const size = run.state === 'live' ? (run.tree.newestRunning()?.text.length ?? 0) : 0;
  return size === 0 ? null : (
    <div className="jp-rlm-dim">
      {trans._n(
        'The model is writing: %2 character',
        'The model is writing: %2 characters',
        size,
        count(size)
      )}
    </div>
  );
}

/** How far a run is, and what its model does. */
export function Progress({ run }: { run: RunModel }): ReactElement {
  return (
    <>
      <Parts run={run} />
      <Writing run={run} />
    </>
  );
}

/** The progress line with its words below. */
function Parts({ run }: { run: RunModel }): ReactElement | null {
  const { trans } = useSurroundings();
  const { subcalls, children, iterations } = run.tree.counts;
  const all = subcalls.all + children.all;
  if (all > 0) {
    const parts: Part[] = [
      { part: 'done', number: subcalls.ok + children.ok },
      { part: 'failed', number: subcalls.failed + children.failed },
      { part: 'stopped', number: subcalls.stopped + children.stopped },
      { part: 'running', number: subcalls.running + children.running }
    ];
    const words = wordsOf(parts, { subcalls: subcalls.all, children: children.all }, trans);
    return (
      <>
        <Line
          label={children.all > 0 ? trans.__('Sub-calls and child runs') : trans.__('Sub-calls')}
          words={words}
          parts={parts}
          all={all}
        />
        <div className="jp-rlm-dim">{words}</div>
      </>
    );
  }
  const most = rootOf(run)?.max_iterations ?? 0;
  if (run.state !== 'live' || most <= 0) {
    return null;
  }
  const done = Math.min(most, Math.max(0, iterations - 1));
  const words = trans.__('%1 of %2 iterations done', count(done), count(most));
  // What is left is the part that "runs": it has no colour of its own here.
  return (
    <Line
      label={trans.__('Iterations')}
      words={words}
      parts={[{ part: 'done', number: done }]}
      all={most}
    />
  );
}
