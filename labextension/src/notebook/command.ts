/** A command: what it is called, when it can be used, and what it does. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { Run, RunInFull } from '../api/types';
import type { PanelModel } from '../model/panel';
import type { LabActions } from './actions';
import type { ActiveNotebook } from './active';
import type { Asking } from './asking';

/** A run, from a list or by itself. */
export type AnyRun = Run | RunInFull;

/** What a command is told. */
export type Arguments = ReadonlyPartialJSONObject;

/** What the commands need. */
export interface CommandsOptions {
  model: PanelModel;
  actions: LabActions;
  active: ActiveNotebook;
  asking: Asking;
  trans: TranslationBundle;
  /** Bring the panel up. */
  show(): void;
  /** Whether the panel is to be seen. */
  isShown(): boolean;
  /** Close the side of Lab that the panel is in. */
  hide(): void;
  /** Open a run in the panel, after a notebook when one is named. */
  openRun(runId: string, spanId: string | null, notebook: string | null): Promise<void>;
  /** Open a run in a tab of the main area. */
  openInTab(runId: string, spanId: string | null): Promise<void>;
  /** Open what an address of Lab leads to. */
  openLink(path: string, search: string): void;
  /** Show the settings of the extension; null where there is no editor for them. */
  openSettings: (() => void) | null;
}

/** A command, but for its id. */
export interface Command {
  label: string;
  caption?: string;
  icon?: LabIcon;
  args?: ReadonlyJSONObject;
  enabled?: (args: Arguments) => boolean;
  toggled?: () => boolean;
  execute: (args: Arguments) => unknown;
}

/** Return the run that is meant: the one that is named, the one that the panel shows, or the notebook's newest. */
function runMeant({ model }: CommandsOptions, args: Arguments): AnyRun | null {
  const shown = model.run?.run ?? null;
  if (typeof args.run_id === 'string') {
    const listed = model.notebook?.runs.find(run => run.run_id === args.run_id);
    return shown?.run_id === args.run_id ? shown : (listed ?? null);
  }
  return shown;
}

/** Return when a command on a run can be used, and what it does with the run. */
export function onRun(
  options: CommandsOptions,
  act: (run: AnyRun, args: Arguments) => unknown,
  fits: (run: AnyRun) => boolean = () => true
): Pick<Command, 'enabled' | 'execute'> {
  const find = (args: Arguments) => {
    const run = runMeant(options, args);
    return run && fits(run) ? run : null;
  };
  return {
    enabled: args => find(args) !== null,
    execute: args => {
      const run = find(args);
      return run && act(run, args);
    }
  };
}

/** Return an argument that is a text, or null. */
export function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
