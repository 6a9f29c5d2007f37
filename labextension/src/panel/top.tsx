/** The first line: whose runs these are, and what can be done with them. */
import { addIcon, launchIcon, settingsIcon } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';
import { memo } from 'react';

import type { Session } from '../api/types';
import type { NotebookModel } from '../model/notebook';
import { count, dateTime, shortTime } from '../model/format';
import { plainLine } from '../model/plain';
import { Button, Icon, Sign } from './button';
import { Exports } from './exports';
import { type MenuGroup, Popup } from './popup';
import { useSurroundings } from './surroundings';

function fileName(path: string): string {
  return path.split('/').at(-1) ?? path;
}

interface SessionsProps {
  notebook: NotebookModel;
  sessions: readonly Session[];
  session: string | null;
}

function Sessions({ notebook, sessions, session }: SessionsProps): ReactElement {
  const { trans, actions } = useSurroundings();
  const number = (id: string): string =>
    count(sessions.length - sessions.findIndex(each => each.session_id === id));
  const label =
    session === null ? trans.__('all sessions') : trans.__('session %1', number(session));
  const groups: MenuGroup[] = [
    {
      key: 'sessions',
      heading: trans.__('Show the runs of'),
      items: [
        {
          key: 'all',
          label: trans.__('all sessions'),
          checked: session === null,
          choice: 'one',
          onSelect: () => notebook.choose(null)
        },
        ...sessions.map(each => ({
          key: each.session_id,
          label: plainLine(each.first_question) || trans.__('session %1', number(each.session_id)),
          title: trans.__('session %1, %2', number(each.session_id), dateTime(each.updated)),
          note: `· ${shortTime(each.updated)}`,
          checked: session === each.session_id,
          choice: 'one' as const,
          onSelect: () => notebook.choose(each.session_id)
        }))
      ]
    }
  ];
  if (session !== null) {
    groups.push({
      key: 'resume',
      items: [
        {
          key: 'resume',
          label: trans.__('Go on with this session'),
          onSelect: () => actions.resumeSession(session)
        }
      ]
    });
  }
  return (
    <Popup label={trans.__('Session: %1', label)} groups={groups} data-rlm="sessions">
      {label} <Sign>▾</Sign>
    </Popup>
  );
}

interface TopProps {
  notebook: NotebookModel | null;
  sessions: readonly Session[];
  session: string | null;
  path: string | null;
  runId: string | null;
}

/** The notebook's name, its session, and the buttons that belong to no run in particular. */
export const Top = memo(function Top(props: TopProps): ReactElement {
  const { notebook, sessions, session, path, runId } = props;
  const { trans, actions } = useSurroundings();
  const { openInTab, openSettings } = actions;
  return (
    <div className="jp-rlm-Top jp-rlm-line">
      <span className="jp-rlm-Top-title">RLM</span>
      <bdi className="jp-rlm-dim jp-rlm-cut jp-rlm-grow" title={path ?? undefined}>
        {path === null ? '' : fileName(path)}
      </bdi>
      {notebook && sessions.length > 0 && (
        <Sessions notebook={notebook} sessions={sessions} session={session} />
      )}
      {notebook && (
        <Button
          label={trans.__('New session')}
          title={trans.__('New session: what is asked next knows nothing of what was asked before')}
          onClick={() => actions.newSession()}
        >
          <Icon icon={addIcon} />
        </Button>
      )}
      {runId !== null && <Exports key={runId} runId={runId} hasNotebook={path !== null} />}
      {runId !== null && notebook && openInTab && (
        <Button label={trans.__('Open in a tab')} onClick={() => openInTab(runId)}>
          <Icon icon={launchIcon} />
        </Button>
      )}
      {openSettings && (
        <Button label={trans.__('Settings')} onClick={() => openSettings()}>
          <Icon icon={settingsIcon} />
        </Button>
      )}
    </div>
  );
});
