import { expect, test } from 'vitest';

import type { Run } from '../../src/api/types';
import { canResume, isCut, takenUpBy } from '../../src/model/again';
import { run } from '../stage';

function ended(run_id: string, status: Run['status'], resumes: string | null = null): Run {
  return run(run_id, { status, resumes });
}

test.each<[Run['status'], boolean]>([
  [null, false],
  ['ok', false],
  ['interrupted', true],
  ['limit', true],
  ['error', true]
])('a run that stands at %s was cut: %s', (status, expected) => {
  expect(isCut({ status })).toBe(expected);
  expect(canResume(ended('a', status), [])).toBe(expected);
});

test.each<[Run['status'], boolean]>([
  [null, false],
  ['ok', false],
  ['interrupted', true],
  ['error', true]
])('where the run that took it up stands at %s, it can be resumed: %s', (status, expected) => {
  const cut = ended('a', 'interrupted');
  const runs = [ended('b', status, 'a'), cut];
  expect(canResume(cut, runs)).toBe(expected);
});

test('of several that took it up the last one goes on with it', () => {
  const runs = [ended('c', null, 'a'), ended('b', 'error', 'a'), ended('a', 'limit')];
  expect(takenUpBy('a', runs)?.run_id).toBe('c');
  expect(takenUpBy('c', runs)).toBeNull();
});
