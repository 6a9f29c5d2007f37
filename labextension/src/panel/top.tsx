/** The first line: whose runs these are, and what can be done with them. */
import { addIcon, downloadIcon, launchIcon, settingsIcon } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';
import { useMemo } from 'react';

import type { NotebookModel } from '../model/notebook';
import type { PanelModel } from '../model/panel';
import { dateTime } from '../model/format';
import { plainLine } from '../model/plain';
import type { ExportFormat } from './actions';
import { Button, Icon, Sign } from './button';
import { type MenuGroup, Popup } from './popup';
import { useSurroundings } from './surroundings';

function fileName(path: string): string {
  return path.split('/').at(-1) ?? path;
}

function Sessions({ notebook }: { notebook: NotebookModel }): ReactElement {
  const { trans, actions } = useSurroundings();
  const { sessions, session } = notebook;
  const number = (id: string): number =>
    sessions.length - sessions.findIndex(each => each.session_id === id);
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
          label: `${number(each.session_id)} · ${plainLine(each.first_question)}`,
          note: dateTime(each.updated),
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

function useExports(runId: string | null): MenuGroup[] {
  const { trans, actions } = useSurroundings();
  return useMemo(() => {
    const formats: [ExportFormat, string][] = [
      ['notebook', trans.__('Notebook')],
      ['markdown', trans.__('Markdown')],
      ['html', trans.__('Web page')],
      ['jsonl', trans.__('Events (JSON lines)')],
      ['trajectory', trans.__('Trajectory')]
    ];
    if (runId === null) {
      return [];
    }
    return [
      {
        key: 'formats',
        heading: trans.__('Save the run as'),
        items: formats.map(([format, label]) => ({
          key: format,
          label,
          onSelect: () => actions.exportRun(runId, format)
        }))
      }
    ];
  }, [actions, runId, trans]);
}

/** The notebook's name, its session, and the buttons that belong to no run in particular. */
export function Top({ model }: { model: PanelModel }): ReactElement {
  const { trans, actions } = useSurroundings();
  const { notebook, run } = model;
  const path = notebook?.path ?? run?.run?.notebook ?? null;
  const runId = run?.runId ?? null;
  const exports = useExports(runId);
  return (
    <div className="jp-rlm-Top jp-rlm-line">
      <span className="jp-rlm-Top-title">RLM</span>
      <bdi className="jp-rlm-dim jp-rlm-cut jp-rlm-grow" title={path ?? undefined}>
        {path === null ? '' : fileName(path)}
      </bdi>
      {notebook && notebook.sessions.length > 0 && <Sessions notebook={notebook} />}
      {notebook && (
        <Button label={trans.__('New session')} onClick={() => actions.newSession()}>
          <Icon icon={addIcon} />
        </Button>
      )}
      {runId !== null && (
        <Popup label={trans.__('Export')} groups={exports}>
          <Icon icon={downloadIcon} />
        </Popup>
      )}
      {runId !== null && notebook && (
        <Button label={trans.__('Open in a tab')} onClick={() => actions.openInTab(runId)}>
          <Icon icon={launchIcon} />
        </Button>
      )}
      <Button label={trans.__('Settings')} onClick={() => actions.openSettings()}>
        <Icon icon={settingsIcon} />
      </Button>
    </div>
  );
}
