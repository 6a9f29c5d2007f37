/* What can be had of a run that is over: files, its replay, what goes on where it was cut, and what its code read. */
import { act, fireEvent, screen, within } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';

import type { Run, SpanEvent } from '../../src/api/types';
import { end, start } from '../model/events';
import { run } from '../stage';
import { Scene } from './scene';

let scene: Scene;

afterEach(() => scene.close());

const READ = {
  name: 'contracts',
  type: 'list',
  size: 400,
  unit: 'items',
  preview: "['c-0001', …]",
  digest: 'd',
  sampled: true,
  value: 'v',
  expression: null
};

const EVENTS: SpanEvent[] = [
  start(0, 's1', null, 'run', {
    contexts: [{ ...READ, name: 'context', value: null, expression: 'contracts[:3]' }]
  }),
  start(1, 'i1', 's1', 'iteration'),
  start(2, 'c1', 'i1', 'code', { code: 'len(contracts)', inputs: [READ] }),
  end(3, 'c1', 'code'),
  end(4, 'i1', 'iteration')
];

/** A run of the notebook that is over, or under way. */
function one(run_id: string, status: Run['status'], more: Partial<Run> = {}): Run {
  return run(run_id, { status, whole: status !== null, ...more });
}

async function openCut(...later: Run[]): Promise<void> {
  scene = await Scene.open({ events: EVENTS, runs: [...later, one('r', 'interrupted')] });
  Object.assign(scene.spans, { status: 'interrupted' });
  act(() => scene.model.openRun('r'));
  act(() => scene.model.notebook!.refresh());
  await scene.until(() => scene.model.run?.run?.status === 'interrupted');
  await scene.until(() => screen.queryByRole('button', { name: 'Replay' }) !== null);
}

function format(name: string, summary: string): object {
  return { format: name, media_type: 'text/plain', file_name: `a.${name}`, summary };
}

test('a run is saved in any format that the server has, however new it is', async () => {
  scene = await Scene.open({ events: EVENTS });
  const listed = { artifacts: [format('html', 'A page.'), format('tomorrows', 'Of tomorrow.')] };
  scene.stage.server.on('GET', 'runs/*/artifacts', listed);
  fireEvent.click(screen.getByRole('button', { name: 'Export' }));
  const asking = screen.getByRole('group', { name: 'Export' });
  expect(within(asking).getByRole('status').textContent).toContain('Asking');
  await scene.until(() => screen.queryAllByRole('menuitem').length === 2);
  const menu = screen.getByRole('menu', { name: 'Export' });
  const [known, other] = within(menu).getAllByRole('menuitem');
  expect([known, other].map(item => item.title)).toEqual(['a.html', 'a.tomorrows']);
  expect(within(menu).getByRole('menuitem', { name: 'Web page', description: 'A page.' })).toBe(
    known
  );
  expect(document.activeElement).toBe(known);
  // Where to is chosen in the same menu, which stays for it.
  fireEvent.click(within(menu).getByRole('menuitemradio', { name: 'Beside the notebook' }));
  fireEvent.click(within(menu).getByRole('menuitem', { name: 'tomorrows' }));
  expect(scene.asked.at(-1)).toEqual(['exportRun', 'r', 'tomorrows', 'beside']);
  expect(screen.queryByRole('menu')).toBeNull();
});

test('why the formats cannot be listed is told, and they are asked for again', async () => {
  scene = await Scene.open({ events: EVENTS });
  const { server } = scene.stage;
  server.on('GET', 'runs/*/artifacts', { status: 500, value: { message: 'The disk is full.' } });
  const button = screen.getByRole('button', { name: 'Export' });
  fireEvent.click(button);
  await scene.until(() => screen.queryByText(/The disk is full/) !== null);
  fireEvent.keyDown(document.activeElement!, { key: 'Escape' });
  expect(document.activeElement).toBe(button);
  server.on('GET', 'runs/*/artifacts', { artifacts: [format('html', 'A page.')] });
  fireEvent.click(button);
  await scene.until(() => screen.queryByRole('menuitem', { name: 'Web page' }) !== null);
  expect(screen.queryByText(/The disk is full/)).toBeNull();
});

test('a run that was cut is resumed, and replayed', async () => {
  await openCut();
  await scene.until(() => screen.queryByRole('button', { name: 'Resume' }) !== null);
  const resume = screen.getByRole('button', { name: 'Resume' });
  expect(resume.title).toContain('not sent, or paid for, again');
  fireEvent.click(resume);
  fireEvent.click(screen.getByRole('button', { name: 'Replay' }));
  const asked = scene.asked.slice(-2).map(([name, given]) => [name, (given as Run).run_id]);
  expect(asked).toEqual([
    ['resumeRun', 'r'],
    ['replayRun', 'r']
  ]);
});

test('one that is under way is neither, and one that answered is only replayed', async () => {
  scene = await Scene.open({ events: EVENTS, over: false });
  expect(screen.queryByRole('button', { name: 'Resume' })).toBeNull();
  expect(screen.queryByRole('button', { name: 'Replay' })).toBeNull();
  Object.assign(scene.spans, { status: 'ok', whole: true });
  await scene.add(end(9, 's1', 'run', 'ok', { answer: 'yes' }));
  await scene.until(() => screen.queryByRole('button', { name: 'Replay' }) !== null);
  expect(screen.queryByRole('button', { name: 'Resume' })).toBeNull();
});

test('from a run that was cut a link leads to the one that goes on with it', async () => {
  await openCut(one('later', null, { resumes: 'r' }));
  await scene.until(() => scene.model.notebook!.runs.length === 2);
  const further = { name: 'The run that goes on with this one' };
  await scene.until(() => screen.queryByRole('button', further) !== null);
  expect(screen.queryByRole('button', { name: 'Resume' })).toBeNull();
  const link = screen.getByRole('button', further);
  expect(link.textContent).toMatch(/resumed at .*: running/);
  fireEvent.click(link);
  expect(scene.model.run?.runId).toBe('later');
});

test('and from that one back', async () => {
  const runs = [one('r', 'ok', { resumes: 'earlier' }), one('earlier', 'limit', { began: 60 })];
  scene = await Scene.open({ events: EVENTS, runs });
  const back = { name: 'The run that this one goes on with' };
  await scene.until(() => screen.queryByRole('button', back) !== null);
  const link = screen.getByRole('button', back);
  expect(link.textContent).toContain('goes on with the run of');
  fireEvent.click(link);
  expect(scene.model.run?.runId).toBe('earlier');
});

test('what a block read is described, and whether the trace has all of it', async () => {
  scene = await Scene.open({ events: EVENTS });
  act(() => scene.model.selectRow('c1'));
  fireEvent.click(screen.getByRole('tab', { name: 'Variables' }));
  const read = screen.getByRole('region', { name: 'Read: contracts' });
  expect(read.textContent).toContain('list · 400 items · kept in full');
  expect(read.textContent).toContain('c-0001');
  act(() => scene.model.selectRow('s1'));
  const context = screen.getByRole('region', { name: 'Context context' });
  expect(context.textContent).toContain('from contracts[:3]');
  expect(context.textContent).not.toContain('kept in full');
});
