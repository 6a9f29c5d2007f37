/** Commands of the panel, and of the notebook that it shows. */
import {
  addIcon,
  caretDownIcon,
  caretUpIcon,
  launchIcon,
  settingsIcon
} from '@jupyterlab/ui-components';
import { rlmIcon } from '../icon';
import type { PanelModel } from '../model/panel';
import { CommandIDs } from '../tokens';
import * as schemas from './arguments';
import { notebookMeant, spanToShow } from './chosen';
import { onRun, text, type Command, type CommandsOptions } from './command';

/** Return the commands of the panel. */
export function panelCommands(options: CommandsOptions): Record<string, Command> {
  const { trans } = options;
  return {
    [CommandIDs.showPanel]: {
      label: trans.__('Show the Runs of This Notebook'),
      caption: trans.__('Show the recursive language model runs of the notebook in the panel'),
      icon: rlmIcon,
      execute: () => options.show()
    },
    [CommandIDs.togglePanel]: {
      label: trans.__('RLM Panel'),
      caption: trans.__('Show or hide the recursive language model runs of the notebook'),
      icon: rlmIcon,
      toggled: () => options.isShown(),
      execute: () => (options.isShown() ? options.hide() : options.show())
    },
    [CommandIDs.openRun]: {
      label: trans.__('Open a Run'),
      caption: trans.__('Open a run in the panel'),
      icon: rlmIcon,
      args: schemas.A_RUN_TO_OPEN,
      execute: ({ run_id, span_id, notebook }) =>
        options.openRun(text(run_id) ?? '', text(span_id), text(notebook))
    },
    [CommandIDs.openLink]: {
      label: trans.__('Open a Link to a Run'),
      args: schemas.AN_ADDRESS,
      execute: ({ path, search }) => options.openLink(text(path) ?? '', text(search) ?? '')
    },
    [CommandIDs.openSettings]: {
      label: trans.__('RLM Settings'),
      caption: trans.__('Show the settings of the RLM panel'),
      icon: settingsIcon,
      visible: () => options.canOpenSettings(),
      enabled: () => options.canOpenSettings(),
      execute: () => options.openSettings()
    }
  };
}

/** Return the command that shows a run in a tab. */
export function tabCommands(options: CommandsOptions): Record<string, Command> {
  const { panels, trans } = options;
  return {
    [CommandIDs.openInTab]: {
      label: trans.__('Open the Run in a Tab'),
      caption: trans.__('Open the run in a tab of the main area'),
      icon: launchIcon,
      args: schemas.A_SPAN,
      visible: () => options.openInTab !== null,
      enabled: ({ run_id }) =>
        options.openInTab !== null && (text(run_id) !== null || panels.current.run !== null),
      execute: async ({ run_id, span_id }) => {
        const { current } = panels;
        const runId = text(run_id) ?? current.run?.runId;
        const spanId =
          text(span_id) ?? (text(run_id) === null && runId ? spanToShow(current, runId) : null);
        return runId && options.openInTab?.(runId, spanId);
      }
    }
  };
}

/** Return the commands that go through a run. */
export function wayCommands({ panels, trans }: CommandsOptions): Record<string, Command> {
  const hasErrors = () => (panels.current.run?.tree.errors.length ?? 0) > 0;
  return {
    [CommandIDs.nextError]: {
      label: trans.__('Next Error'),
      caption: trans.__('Go to the next failed step of the run'),
      icon: caretDownIcon,
      enabled: hasErrors,
      execute: () => panels.current.nextError(1)
    },
    [CommandIDs.previousError]: {
      label: trans.__('Previous Error'),
      caption: trans.__('Go to the failed step before this one'),
      icon: caretUpIcon,
      enabled: hasErrors,
      execute: () => panels.current.nextError(-1)
    },
    [CommandIDs.follow]: {
      label: trans.__('Follow the Run'),
      caption: trans.__('Keep the newest step of the run in view'),
      enabled: () => panels.current.run !== null,
      toggled: () => panels.current.follow,
      execute: () => panels.current.setFollow(!panels.current.follow)
    }
  };
}

/** Return the commands that do something in the notebook. */
export function notebookCommands(options: CommandsOptions): Record<string, Command> {
  const { actions, active, asking, panels, trans } = options;
  const inNotebook = () => notebookMeant(panels.current, active) !== null;
  const resume = async (named: string | null): Promise<void> => {
    const path = notebookMeant(panels.current, active);
    const sessions = named !== null || path === null ? [] : await options.fetchSessions(path);
    const id = named ?? (sessions.length > 0 ? await asking.session(sessions) : null);
    if (id !== null) {
      actions.resumeSession(id);
    } else if (sessions.length === 0) {
      actions.tell(trans.__('There are no sessions in this notebook yet.'));
    }
  };
  return {
    [CommandIDs.newSession]: {
      label: trans.__('New Session'),
      caption: trans.__('Begin another conversation, in a new cell'),
      icon: addIcon,
      enabled: inNotebook,
      execute: () => actions.newSession()
    },
    [CommandIDs.resumeSession]: {
      label: trans.__('Resume a Session…'),
      caption: trans.__('Go on with an earlier conversation, in a new cell'),
      args: schemas.A_SESSION,
      enabled: inNotebook,
      execute: ({ session_id }) => actions.open(() => resume(text(session_id)))
    },
    [CommandIDs.goToCell]: {
      label: trans.__('Go to the Cell of the Run'),
      caption: trans.__('Scroll to the cell that the run was asked in'),
      args: schemas.A_RUN,
      ...onRun(
        options,
        run => actions.goToCell(run),
        run => run.cell_id !== null
      )
    },
    [CommandIDs.insertCode]: {
      label: trans.__('Insert the Code as a Cell'),
      caption: trans.__('Insert the code of the chosen step below the active cell'),
      args: schemas.CODE,
      enabled: args => inNotebook() && (text(args.code) ?? codeChosen(panels.current)) !== null,
      execute: args => {
        const code = text(args.code) ?? codeChosen(panels.current);
        return code !== null && actions.insertCode(code);
      }
    }
  };
}

function codeChosen(model: PanelModel): string | null {
  const payload = model.span?.start.payload;
  return payload?.kind === 'code' ? payload.code : null;
}
