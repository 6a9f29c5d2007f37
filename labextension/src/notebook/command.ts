/** A command: what it is called, when it can be used, and what it does. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import type { Session } from '../api/types';
import type { PanelModel } from '../model/panel';
import type { AnyRun } from '../panel/actions';
import type { LabActions } from './actions';
import type { ActiveNotebook } from './active';
import type { Asking } from './asking';

/** What a command is told. */
export type Arguments = ReadonlyPartialJSONObject;

/** The panels that there are. */
export interface AllPanels {
  /** What the panel shows that the user is at. */
  readonly current: PanelModel;
  readonly models: readonly PanelModel[];
  readonly changed: ISignal<unknown, void>;
}

/** What the commands need. */
export interface CommandsOptions {
  panels: AllPanels;
  actions: LabActions;
  active: ActiveNotebook;
  asking: Asking;
  trans: TranslationBundle;
  /** Return a run that no panel shows. */
  fetchRun(runId: string): Promise<AnyRun>;
  /** Return the sessions of the notebook at a path. */
  fetchSessions(path: string): Promise<readonly Session[]>;
  /** Bring the panel up. */
  show(): void;
  /** Whether the panel is to be seen. */
  isShown(): boolean;
  /** Close the side of Lab that the panel is in. */
  hide(): void;
  /** Open a run in the panel, after a notebook when one is named. */
  openRun(runId: string, spanId: string | null, notebook: string | null): Promise<void>;
  /** Open a run in a tab of the main area; null where there are none. */
  openInTab: ((runId: string, spanId: string | null) => Promise<void>) | null;
  /** Open what an address of Lab leads to. */
  openLink(path: string, search: string): void;
  /** Whether there is an editor for settings; it may come later than the commands. */
  canOpenSettings(): boolean;
  /** Show the settings of the extension. */
  openSettings(): void;
}

/** A command, but for its id. */
export interface Command {
  label: string;
  caption?: string;
  icon?: LabIcon;
  args?: ReadonlyJSONObject;
  enabled?: (args: Arguments) => boolean;
  /** Whether this front end can do it at all. */
  visible?: () => boolean;
  toggled?: () => boolean;
  execute: (args: Arguments) => unknown;
}

/** Return a run that is known: the one that is named, or else the one that the panel shows. */
function runKnown({ panels }: CommandsOptions, args: Arguments): AnyRun | null {
  const runId = text(args.run_id);
  if (runId === null) {
    return panels.current.run?.run ?? null;
  }
  for (const { run, notebook } of panels.models) {
    const known = run?.runId === runId ? run.run : null;
    const found = known ?? notebook?.runs.find(({ run_id }) => run_id === runId);
    if (found) {
      return found;
    }
  }
  return null;
}

/** Return when a command on a run can be used, and what it does with the run. */
export function onRun(
  options: CommandsOptions,
  act: (run: AnyRun, args: Arguments) => unknown,
  fits: (run: AnyRun) => boolean = () => true
): Pick<Command, 'enabled' | 'execute'> {
  const { actions, fetchRun, trans } = options;
  const execute = async (args: Arguments): Promise<void> => {
    const runId = text(args.run_id);
    const run = runKnown(options, args) ?? (runId === null ? null : await fetchRun(runId));
    if (run === null) {
      actions.tell(trans.__('Open a run first.'));
    } else if (fits(run)) {
      await act(run, args);
    } else {
      actions.tell(trans.__('This cannot be done with the run as it is now.'));
    }
  };
  return {
    enabled: args => {
      const run = runKnown(options, args);
      // A run that is named and not known here is asked for when it comes to it.
      return run === null ? text(args.run_id) !== null : fits(run);
    },
    execute: args => actions.open(() => execute(args))
  };
}

/** Return an argument that is a text, or null. */
export function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
