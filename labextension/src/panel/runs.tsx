/** The runs of the notebook, the last one first. */
import type { KeyboardEvent, ReactElement } from 'react';
import { memo, useState } from 'react';

import type { Run } from '../api/types';
import { clockTime, money, seconds, tokens } from '../model/format';
import type { NotebookModel } from '../model/notebook';
import type { PanelModel } from '../model/panel';
import { plainLine } from '../model/plain';
import { Button } from './button';
import type { Standing } from './standing';
import { useSurroundings } from './surroundings';

/** How many runs there is room for in any case. */
const FEW = 3;

interface OneProps {
  run: Run;
  /** How it stands, where the panel knows more of it than the list does. */
  standing: Standing | null;
  selected: boolean;
  active: boolean;
}

/** How a run stands, in one word. */
export function useStatusWords(): Record<string, string> {
  const { trans } = useSurroundings();
  return {
    running: trans.__('running'),
    ok: trans.__('answered'),
    error: trans.__('failed'),
    interrupted: trans.__('interrupted'),
    limit: trans.__('limit reached'),
    spent: trans.__('out of iterations, answered with what it had'),
    waiting: trans.__('waits for your decision'),
    paused: trans.__('paused')
  };
}

/** Whether a run answered only when its iterations were used up: the one that asks for the answer comes after them. */
function isSpent({ status, iterations, max_iterations: most }: Run): boolean {
  return status === 'ok' && typeof most === 'number' && most > 0 && iterations > most;
}

function tokensOf({ input_tokens: read, output_tokens: written }: Run): number {
  return read + written;
}

/** A list that was fetched again is of new objects, though as a rule nothing in it is new. */
function looksTheSame(one: OneProps, other: OneProps): boolean {
  const { run } = other;
  return (
    one.selected === other.selected &&
    one.standing === other.standing &&
    one.active === other.active &&
    one.run.run_id === run.run_id &&
    one.run.status === run.status &&
    isSpent(one.run) === isSpent(run) &&
    one.run.cost === run.cost &&
    one.run.began === run.began &&
    one.run.ended === run.ended &&
    one.run.model === run.model &&
    tokensOf(one.run) === tokensOf(run) &&
    one.run.question === run.question
  );
}

const One = memo(function One({ run, standing, selected, active }: OneProps): ReactElement {
  const words = useStatusWords();
  const { trans } = useSurroundings();
  const status = run.status ?? 'running';
  const shown = standing ?? (isSpent(run) ? 'spent' : status);
  const isPlain = shown === 'ok' || shown === 'running' || shown === 'spent';
  const facts = [
    isPlain ? null : shown === 'waiting' ? trans.__('waits for you') : words[shown],
    run.cost === null ? null : money(run.cost),
    run.ended === null ? null : seconds(run.ended - run.began)
  ].filter(Boolean);
  const question = plainLine(run.question, 200);
  const model = plainLine(run.model, 60);
  const took = trans.__('%1 tokens', tokens(tokensOf(run)));
  return (
    <div
      role="option"
      className="jp-rlm-Run"
      aria-selected={selected}
      tabIndex={active ? 0 : -1}
      data-run-id={run.run_id}
      data-status={status}
      title={`${question}\n${trans.__('%1, %2, %3, at %4', words[shown], model, took, clockTime(run.began))}`}
    >
      <span className="jp-rlm-Dot" data-status={shown} role="img" aria-label={words[shown]} />
      <bdi className="jp-rlm-cut jp-rlm-grow">{question}</bdi>
      <span className="jp-rlm-dim jp-rlm-num">
        {/* Where there is room for it. */}
        <span className="jp-rlm-Run-more">{`${model} · ${took}${facts.length > 0 ? ' · ' : ''}`}</span>
        {facts.join(' · ')}
      </span>
    </div>
  );
}, looksTheSame);

function idAt(target: EventTarget): string | null {
  return (target as Element).closest<HTMLElement>('[data-run-id]')?.dataset.runId ?? null;
}

interface RunsProps {
  model: PanelModel;
  notebook: NotebookModel;
  runs: readonly Run[];
  more: boolean;
  /** The id of the run that is shown. */
  open: string | null;
  /** How that one stands. */
  standing: Standing | null;
}

function target(key: string, at: number, length: number): number | null {
  switch (key) {
    case 'ArrowDown':
      return Math.min(at + 1, length - 1);
    case 'ArrowUp':
      return Math.max(at - 1, 0);
    case 'Home':
      return 0;
    case 'End':
      return length - 1;
    default:
      return null;
  }
}

/** The list of runs: arrow keys go through it, Enter opens a run. */
export const Runs = memo(function Runs(props: RunsProps): ReactElement {
  const { model, notebook, runs, more, open, standing } = props;
  const { trans, actions } = useSurroundings();
  const [focused, setFocused] = useState<string | null>(null);
  const isThere = (id: string | null): boolean => runs.some(run => run.run_id === id);
  const active = isThere(focused) ? focused : isThere(open) ? open : runs.at(0)?.run_id;
  const choose = (id: string): void => {
    model.openRun(id);
    const run = runs.find(one => one.run_id === id);
    if (run) {
      actions.goToCell(run, { quietly: true });
    }
  };
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    const at = runs.findIndex(run => run.run_id === active);
    const to = target(event.key, at, runs.length);
    if (to !== null) {
      setFocused(runs[to].run_id);
      event.currentTarget.querySelectorAll<HTMLElement>('[role="option"]')[to]?.focus();
    } else if ((event.key === 'Enter' || event.key === ' ') && active) {
      choose(active);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div className="jp-rlm-Runs" data-rlm-part="runs" data-many={runs.length > FEW}>
      <div
        role="listbox"
        aria-label={trans.__('Runs')}
        tabIndex={-1}
        onKeyDown={onKeyDown}
        onFocus={event => setFocused(idAt(event.target))}
        onClick={event => {
          const id = idAt(event.target);
          if (id !== null) {
            choose(id);
          }
        }}
      >
        {runs.map(run => (
          <One
            key={run.run_id}
            run={run}
            standing={run.run_id === open ? standing : null}
            selected={run.run_id === open}
            active={run.run_id === active}
          />
        ))}
      </div>
      {more && <Button label={trans.__('Load more')} onClick={() => void notebook.loadMore()} />}
    </div>
  );
});
