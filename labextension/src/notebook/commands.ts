/** Adds the commands to Lab, and keeps what Lab shows of them up to date. */
import type { CommandRegistry } from '@lumino/commands';
import { DisposableDelegate, DisposableSet, type IDisposable } from '@lumino/disposable';
import * as schemas from './arguments';
import type { Command, CommandsOptions } from './command';
import { notebookCommands, panelCommands, tabCommands, wayCommands } from './panelcommands';
import { againCommands, noteCommands, runCommands, steeringCommands } from './runcommands';

/** Add the commands. */
export function addCommands(commands: CommandRegistry, options: CommandsOptions): IDisposable {
  const made = new DisposableSet();
  const all: Record<string, Command> = {
    ...panelCommands(options),
    ...tabCommands(options),
    ...wayCommands(options),
    ...steeringCommands(options),
    ...noteCommands(options),
    ...notebookCommands(options),
    ...againCommands(options),
    ...runCommands(options)
  };
  for (const [id, command] of Object.entries(all)) {
    const { label, caption, icon, args, enabled, visible, toggled, execute } = command;
    made.add(
      commands.addCommand(id, {
        label: given => (given.toolbar ? '' : label),
        caption: caption ?? label,
        ...(icon && { icon: given => (given.isPalette ? undefined : icon) }),
        ...(enabled && { isEnabled: enabled }),
        ...(visible && { isVisible: visible }),
        ...(toggled && { isToggled: toggled, isToggleable: true }),
        describedBy: { args: args ?? schemas.NOTHING },
        execute: async given => {
          await execute(given);
        }
      })
    );
  }
  made.add(keepUpToDate(commands, all, options));
  return made;
}

/** Tell Lab which commands can be used now that could not before, or the other way round, or that are on or off. */
function keepUpToDate(
  commands: CommandRegistry,
  all: Readonly<Record<string, Command>>,
  { panels, active }: CommandsOptions
): IDisposable {
  const told = new Map<string, string>();
  const notice = (): void => {
    for (const [id, { enabled, toggled }] of Object.entries(all)) {
      const standing = `${enabled?.({})} ${toggled?.()}`;
      if (told.get(id) !== standing) {
        told.set(id, standing);
        commands.notifyCommandChanged(id);
      }
    }
  };
  panels.changed.connect(notice);
  active.changed.connect(notice);
  return new DisposableDelegate(() => {
    panels.changed.disconnect(notice);
    active.changed.disconnect(notice);
  });
}
