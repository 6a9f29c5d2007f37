import { nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { describe, expect, it, vi } from 'vitest';

import type { Run, Steered } from '../../src/api/types';
import { spentIn, type Spending } from '../../src/status/cost';
import { type ChangingSpending, StatusItem } from '../../src/status/item';

type Runs = NonNullable<Spending['notebook']>['runs'];

/** What is known of a notebook and its runs at one time after the other. */
class Shown implements ChangingSpending {
  readonly changed = new Signal<this, void>(this);
  notebook: Spending['notebook'] = null;
  run: Spending['run'] = null;

  list(...runs: Runs): this {
    this.notebook = { runs, session: null };
    this.changed.emit();
    return this;
  }
}

function run(id: string, status: Run['status'], cost: number | null, session = 'a'): Runs[number] {
  return { run_id: id, status, cost, session_id: session };
}

describe('what the status bar says', () => {
  it('is nothing where there are no runs, or none that anybody knows the cost of', () => {
    expect(spentIn(new Shown())).toBeNull();
    expect(spentIn(new Shown().list())).toBeNull();
    expect(spentIn(new Shown().list(run('1', 'ok', null)))).toBeNull();
  });

  it('is the sum of the last session', () => {
    const runs = [run('3', 'ok', 0.25), run('2', 'error', null), run('1', 'ok', 0.5)];
    const shown = new Shown().list(...runs, run('0', 'ok', 4, 'earlier'));
    expect(spentIn(shown)).toEqual({ isRunning: false, cost: '$0.75', running: null, halt: null });
  });

  it('is the run under way while there is one', () => {
    const shown = new Shown().list(run('2', null, 0.25), run('1', 'ok', 0.5));
    expect(spentIn(shown)).toEqual({ isRunning: true, cost: '$0.25', running: null, halt: null });
  });

  it('counts the running sub-calls of a run that is open', () => {
    const shown = new Shown().list(run('2', null, 0.25));
    const usage = { cost: 0.5, calls: 3, unpriced: 0 };
    shown.run = { runId: '2', tree: { root: { usage }, counts: { subcalls: { running: 24 } } } };
    expect(spentIn(shown)).toEqual({ isRunning: true, cost: '$0.50', running: 24, halt: null });
  });

  it('is why the run that is open does not go on', () => {
    const shown = new Shown().list(run('2', null, 0.25));
    const tree = { root: null, counts: { subcalls: { running: 0 } } };
    const review = {} as NonNullable<Steered['review']>;
    shown.run = { runId: '2', tree, steered: { paused: true, review } };
    expect(spentIn(shown)?.halt).toBe('decision');
    shown.run = { runId: '2', tree, steered: { paused: true, review: null } };
    expect(spentIn(shown)?.halt).toBe('paused');
    shown.run = { runId: '1', tree, steered: { paused: true, review: null } };
    expect(spentIn(shown)?.halt).toBeNull();
  });
});

describe('the item', () => {
  it('comes and goes with what there is to say, and opens the panel', () => {
    const shown = new Shown();
    const open = vi.fn();
    const trans = nullTranslator.load('rlm_jupyter');
    const item = new StatusItem({ model: shown, trans, open });
    const active: boolean[] = [];
    item.isActiveChanged.connect(() => active.push(item.isActive));
    Widget.attach(item, document.body);
    shown.list(run('1', null, null));
    expect(item.node.textContent).toContain('running');
    const tree = { root: null, counts: { subcalls: { running: 0 } } };
    shown.run = { runId: '1', tree, steered: { paused: true, review: null } };
    shown.list(run('1', null, 0.25));
    expect(item.node.textContent).toBe('paused · $0.25');
    shown.list(run('1', 'ok', 0.5));
    expect(item.node.textContent).toContain('$0.50');
    item.node.click();
    expect(open).toHaveBeenCalledOnce();
    item.isEnabled = false;
    item.isEnabled = true;
    shown.list();
    expect(active).toEqual([true, false, true, false]);
    item.dispose();
    shown.list(run('1', 'ok', 0.5));
    expect(active).toHaveLength(4);
  });
});
