/** What stands in the panel when there is no run to show, and what to do next. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactElement, ReactNode } from 'react';

import { Button } from './button';
import { useSurroundings } from './surroundings';

/** Why there is nothing to show. */
export type StateName =
  | 'no-notebook'
  | 'no-runs'
  | 'no-runs-of-session'
  | 'loading'
  | 'failed'
  | 'no-server'
  | 'gone'
  | 'unknown'
  | 'no-beginning'
  | 'broken';

interface StateProps {
  name: StateName;
  problem?: string | null;
  onRetry?: () => void;
}

interface Words {
  title: string;
  next: ReactNode;
}

/** What is so with the notebook. */
function ofNotebook(trans: TranslationBundle) {
  return {
    'no-notebook': {
      title: trans.__('No notebook is open.'),
      next: trans.__('Open a notebook, and its runs are shown here.')
    },
    'no-runs': {
      title: trans.__('This notebook has no runs yet.'),
      next: (
        <>
          {trans.__('Load the extension in a cell, then ask something in another:')}
          <pre className="jp-rlm-Text" data-kind="code" dir="ltr">
            {'%load_ext rlm_jupyter\n\n%%rlm\nWhich contract ends first?'}
          </pre>
        </>
      )
    },
    'no-runs-of-session': {
      title: trans.__('This session has no runs.'),
      next: trans.__('Choose another session above, or go on with this one.')
    },
    loading: { title: trans.__('Fetching the runs …'), next: null }
  };
}

/** What is so with a run. */
function ofRun(trans: TranslationBundle) {
  return {
    gone: {
      title: trans.__('This run has been deleted.'),
      next: trans.__('Choose another one, or ask again.')
    },
    unknown: {
      title: trans.__('This server has no record of this run.'),
      next: trans.__(
        'It may have been asked on another server, or its record was deleted; what the notebook holds of it is still there.'
      )
    },
    'no-beginning': {
      title: trans.__('The beginning of this run was not recorded.'),
      next: trans.__(
        'Its spans have no place without it; what was recorded can be saved as events, by Export above.'
      )
    },
    broken: {
      title: trans.__('The panel cannot show this.'),
      next: trans.__('Try again, or open another run; what was recorded is not affected.')
    }
  };
}

/** What is so with the server. */
function ofServer(trans: TranslationBundle) {
  return {
    'no-server': {
      title: trans.__('The server is not reached.'),
      next: trans.__('It is asked again by itself; check the connection, and that the server runs.')
    },
    failed: {
      title: trans.__('The server answered with an error.'),
      next: trans.__(
        'Try again; if it stays, check that the rlm-jupyter server extension is enabled: jupyter server extension list.'
      )
    }
  };
}

function wordsOf(name: StateName, trans: TranslationBundle): Words {
  const words: Record<StateName, Words> = {
    ...ofNotebook(trans),
    ...ofRun(trans),
    ...ofServer(trans)
  };
  return words[name];
}

/** Says why there is nothing to show, and what to do about it. */
export function State({ name, problem, onRetry }: StateProps): ReactElement {
  const { trans } = useSurroundings();
  const { title, next } = wordsOf(name, trans);
  return (
    <div className="jp-rlm-State" data-state={name}>
      <p className="jp-rlm-State-title">{title}</p>
      {problem && name !== 'no-server' && (
        <p className="jp-rlm-dim" dir="auto">
          {problem.slice(0, 500)}
        </p>
      )}
      {next !== null && <div>{next}</div>}
      {onRetry && <Button label={trans.__('Try again')} onClick={onRetry} />}
    </div>
  );
}
