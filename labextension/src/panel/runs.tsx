/** The runs of the notebook, the last one first. */
import type { KeyboardEvent, ReactElement } from 'react';
import { memo, useState } from 'react';

import type { Run } from '../api/types';
import { clockTime, money, seconds } from '../model/format';
import type { NotebookModel } from '../model/notebook';
import type { PanelModel } from '../model/panel';
import { plainLine } from '../model/plain';
import { Button } from './button';
import { useSurroundings } from './surroundings';

interface OneProps {
  run: Run;
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
    limit: trans.__('limit reached')
  };
}

const One = memo(function One({ run, selected, active }: OneProps): ReactElement {
  const words = useStatusWords();
  const { trans } = useSurroundings();
  const status = run.status ?? 'running';
  const isPlain = status === 'ok' || status === 'running';
  const facts = [
    isPlain ? null : words[status],
    run.cost === null ? null : money(run.cost),
    run.ended === null ? null : seconds(run.ended - run.began)
  ].filter(Boolean);
  const question = plainLine(run.question, 200);
  return (
    <div
      role="option"
      className="jp-rlm-Run"
      aria-selected={selected}
      tabIndex={active ? 0 : -1}
      data-run-id={run.run_id}
      data-status={status}
      title={`${question}\n${trans.__('%1, %2, at %3', words[status], run.model, clockTime(run.began))}`}
    >
      <span className="jp-rlm-Dot" data-status={status} role="img" aria-label={words[status]} />
      <bdi className="jp-rlm-cut jp-rlm-grow">{question}</bdi>
      <span className="jp-rlm-dim jp-rlm-num">{facts.join(' · ')}</span>
    </div>
  );
});

function idAt(target: EventTarget): string | null {
  return (target as Element).closest<HTMLElement>('[data-run-id]')?.dataset.runId ?? null;
}

interface RunsProps {
  model: PanelModel;
  notebook: NotebookModel;
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
export function Runs({ model, notebook }: RunsProps): ReactElement {
  const { trans, actions } = useSurroundings();
  const { runs } = notebook;
  const [focused, setFocused] = useState<string | null>(null);
  const open = model.run?.runId ?? null;
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
    <div className="jp-rlm-Runs" data-rlm-part="runs">
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
            selected={run.run_id === open}
            active={run.run_id === active}
          />
        ))}
      </div>
      {notebook.more && (
        <Button label={trans.__('Load more')} onClick={() => void notebook.loadMore()} />
      )}
    </div>
  );
}
