/** What stands in the panel when there is no run to show, and what to do next. */
import type { ReactElement, ReactNode } from 'react';

import { Button } from './button';
import { useSurroundings } from './surroundings';

/** Why there is nothing to show. */
export type StateName = 'no-notebook' | 'no-runs' | 'loading' | 'failed' | 'no-server' | 'gone';

interface StateProps {
  name: StateName;
  problem?: string | null;
  onRetry?: () => void;
}

interface Words {
  title: string;
  next: ReactNode;
}

function useWords(name: StateName): Words {
  const { trans } = useSurroundings();
  switch (name) {
    case 'no-notebook':
      return {
        title: trans.__('No notebook is open.'),
        next: trans.__('Open a notebook, and its runs are shown here.')
      };
    case 'no-runs':
      return {
        title: trans.__('This notebook has no runs yet.'),
        next: (
          <>
            {trans.__('Load the extension in a cell, then ask something in another:')}
            <pre className="jp-rlm-Text" data-kind="code" dir="ltr">
              {'%load_ext rlm_jupyter\n\n%%rlm\nWhich contract ends first?'}
            </pre>
          </>
        )
      };
    case 'loading':
      return { title: trans.__('Fetching the runs …'), next: null };
    case 'gone':
      return {
        title: trans.__('This run has been deleted.'),
        next: trans.__('Choose another one, or ask again.')
      };
    case 'no-server':
      return {
        title: trans.__('The server is not reached.'),
        next: trans.__(
          'It is asked again by itself; check the connection, and that the server runs.'
        )
      };
    default:
      return {
        title: trans.__('The server answered with an error.'),
        next: trans.__(
          'Try again; if it stays, check that the rlm-jupyter server extension is enabled: jupyter server extension list.'
        )
      };
  }
}

/** Says why there is nothing to show, and what to do about it. */
export function State({ name, problem, onRetry }: StateProps): ReactElement {
  const { trans } = useSurroundings();
  const { title, next } = useWords(name);
  return (
    <div className="jp-rlm-State" data-state={name}>
      <p className="jp-rlm-State-title">{title}</p>
      {problem && (
        <p className="jp-rlm-dim" dir="auto">
          {problem.slice(0, 500)}
        </p>
      )}
      {next !== null && <div>{next}</div>}
      {onRetry && <Button label={trans.__('Try again')} onClick={onRetry} />}
    </div>
  );
}
