/** Adds the commands to Lab, and keeps what Lab shows of them up to date. */
import type { CommandRegistry } from '@lumino/commands';
import { DisposableDelegate, DisposableSet, type IDisposable } from '@lumino/disposable';
import * as schemas from './arguments';
import type { CommandsOptions } from './command';
import { notebookCommands, panelCommands, wayCommands } from './panelcommands';
import { noteCommands, runCommands, steeringCommands } from './runcommands';

/** Add the commands. */
export function addCommands(commands: CommandRegistry, options: CommandsOptions): IDisposable {
  const made = new DisposableSet();
  const all = {
    ...panelCommands(options),
    ...wayCommands(options),
    ...steeringCommands(options),
    ...noteCommands(options),
    ...notebookCommands(options),
    ...runCommands(options)
  };
  for (const [id, command] of Object.entries(all)) {
    const { label, caption, icon, args, enabled, toggled, execute } = command;
    made.add(
      commands.addCommand(id, {
        label: given => (given.toolbar ? '' : label),
        caption: caption ?? label,
        ...(icon && { icon: given => (given.isPalette ? undefined : icon) }),
        ...(enabled && { isEnabled: enabled }),
        ...(toggled && { isToggled: toggled, isToggleable: true }),
        describedBy: { args: args ?? schemas.NOTHING },
        execute: async given => {
          await execute(given);
        }
      })
    );
  }
  made.add(keepUpToDate(commands, Object.keys(all), options));
  return made;
}

function keepUpToDate(
  commands: CommandRegistry,
  ids: readonly string[],
  options: CommandsOptions
): IDisposable {
  const { model, active } = options;
  let told = '';
  const notice = () => {
    const standing = standingOf(options);
    if (standing !== told) {
      told = standing;
      ids.forEach(id => commands.notifyCommandChanged(id));
    }
  };
  model.changed.connect(notice);
  active.changed.connect(notice);
  return new DisposableDelegate(() => {
    model.changed.disconnect(notice);
    active.changed.disconnect(notice);
  });
}

/** Return what decides which commands can be used; they are asked again when it changes. */
function standingOf({ model, active }: CommandsOptions): string {
  const run = model.run;
  return JSON.stringify([
    active.path,
    run?.runId,
    run?.run?.status,
    run?.run?.cell_id,
    run?.steered?.paused,
    (run?.tree.errors.length ?? 0) > 0,
    model.span?.id,
    model.follow
  ]);
}
