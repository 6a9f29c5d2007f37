/** How a run can stand, and what else is said of a `RunModel`. */
import type { Changes } from '../api/changes';
import type { Api } from '../api/client';
import type { Run } from '../api/types';

/**
 * `loading`: not all is here yet. `live`: it is under way. `gone`: it was deleted. `failed`: it cannot be had.
 * `unknown`: the server has no record of it, and it was never here; it is asked for a few times more.
 */
export type RunState = 'loading' | 'live' | 'over' | 'gone' | 'failed' | 'unknown';

/** What a `RunModel` needs; `known` is the run as a list has it. One that is resting waits to be looked at. */
export interface RunOptions {
  api: Api;
  changes: Changes;
  runId: string;
  known?: Run | null;
  isResting?: boolean;
}

/** The spans in which the words of a search are; `more`: there may be others, for the server looked no further. */
export interface Found {
  readonly hits: ReadonlySet<string>;
  readonly more: boolean;
}
