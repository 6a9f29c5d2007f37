/** Commands on a run: steering it while it is under way, and what can be had of it. */
import {
  copyIcon,
  deleteIcon,
  downloadIcon,
  editIcon,
  fastForwardIcon,
  notebookIcon,
  refreshIcon,
  runIcon,
  stopIcon
} from '@jupyterlab/ui-components';
import { isCut } from '../model/again';
import type { AnyRun } from '../panel/actions';
import { CommandIDs } from '../tokens';
import * as schemas from './arguments';
import { onRun, text, type Command, type CommandsOptions } from './command';

function isRunning(run: AnyRun): boolean {
  return run.status === null;
}

/** Return the commands that steer a run. */
export function steeringCommands(options: CommandsOptions): Record<string, Command> {
  const { actions, panels, trans } = options;
  const isPaused = ({ run_id }: AnyRun) =>
    panels.models.some(({ run }) => run?.runId === run_id && run.steered?.paused);
  return {
    [CommandIDs.interrupt]: {
      label: trans.__('Interrupt the Run'),
      caption: trans.__('End the run at once'),
      icon: stopIcon,
      args: schemas.A_RUN,
      ...onRun(options, run => actions.interrupt(run), isRunning)
    },
    [CommandIDs.stop]: {
      label: trans.__('Stop After This Iteration'),
      caption: trans.__('End the run when its iteration is over'),
      args: schemas.A_RUN,
      ...onRun(options, run => actions.stop(run), isRunning)
    },
    [CommandIDs.pause]: {
      label: trans.__('Pause the Run'),
      caption: trans.__('Halt the run when its iteration is over'),
      args: schemas.A_RUN,
      ...onRun(
        options,
        run => actions.pause(run),
        run => isRunning(run) && !isPaused(run)
      )
    },
    [CommandIDs.resume]: {
      label: trans.__('Let the Run Go On'),
      caption: trans.__('Let a halted run go on'),
      icon: runIcon,
      args: schemas.A_RUN,
      ...onRun(
        options,
        run => actions.resume(run),
        run => isRunning(run) && isPaused(run)
      )
    }
  };
}

/** Return the command that tells a run's model something. */
export function noteCommands(options: CommandsOptions): Record<string, Command> {
  const { actions, asking, trans } = options;
  return {
    [CommandIDs.note]: {
      label: trans.__('Send a Note…'),
      caption: trans.__('Tell the model something before its next iteration'),
      icon: editIcon,
      args: schemas.A_NOTE,
      ...onRun(
        options,
        async (run, args) => {
          const told = text(args.text) ?? (await asking.note());
          if (told) {
            actions.note(run, told);
          }
        },
        isRunning
      )
    }
  };
}

/** Return the commands that go through a run once more. */
export function againCommands(options: CommandsOptions): Record<string, Command> {
  const { actions, trans } = options;
  return {
    [CommandIDs.replayRun]: {
      label: trans.__('Replay the Run'),
      caption: trans.__(
        'Run its code once more with the recorded replies, in a new cell, and tell what differs'
      ),
      icon: refreshIcon,
      args: schemas.A_RUN,
      ...onRun(
        options,
        run => actions.replayRun(run),
        run => !isRunning(run)
      )
    },
    [CommandIDs.resumeRun]: {
      label: trans.__('Resume the Run'),
      caption: trans.__(
        'Go on where the run was cut, in a new cell; what was answered is not paid for again'
      ),
      icon: fastForwardIcon,
      args: schemas.A_RUN,
      ...onRun(options, run => actions.resumeRun(run), isCut)
    }
  };
}

/** Return the commands that read, keep or delete a run. */
export function runCommands(options: CommandsOptions): Record<string, Command> {
  const { actions, asking, panels, trans } = options;
  return {
    [CommandIDs.openTrace]: {
      label: trans.__('Open the Trace Notebook'),
      caption: trans.__('Open the notebook that tells what the run did'),
      icon: notebookIcon,
      args: schemas.A_RUN,
      ...onRun(options, run => actions.openTrace(run))
    },
    [CommandIDs.exportRun]: {
      label: trans.__('Export the Run…'),
      caption: trans.__('Save the run as a file'),
      icon: downloadIcon,
      args: schemas.A_FORMAT,
      ...onRun(options, async (run, args) => {
        const format = text(args.format) ?? (await asking.format(run.run_id));
        if (format) {
          const place = args.place === 'beside' ? 'beside' : 'download';
          actions.exportRun(run.run_id, format, place);
        }
      })
    },
    [CommandIDs.copyLink]: {
      label: trans.__('Copy a Link to the Run'),
      caption: trans.__('Copy an address that opens the run, at the chosen step'),
      icon: copyIcon,
      args: schemas.A_SPAN,
      ...onRun(options, (run, args) => {
        const { run: shown, span } = panels.current;
        const spanId = shown?.runId === run.run_id ? (span?.id ?? null) : null;
        actions.copyLink(run.run_id, text(args.span_id) ?? spanId, run.notebook);
      })
    },
    [CommandIDs.deleteRun]: {
      label: trans.__('Delete the Run…'),
      caption: trans.__('Delete the run from the panel, after asking'),
      icon: deleteIcon,
      args: schemas.A_RUN,
      ...onRun(
        options,
        run => actions.deleteRun(run),
        run => run.status !== null
      )
    }
  };
}
