/** The menu that saves a run as a file, in whatever formats the server has. */
import { downloadIcon } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';
import { memo, useCallback, useRef, useState } from 'react';

import type { Format } from '../api/types';
import { plainLine } from '../model/plain';
import type { ExportPlace } from './actions';
import { Icon } from './button';
import { type MenuGroup, type MenuItem, Popup } from './popup';
import { useSurroundings } from './surroundings';

/** What the server has, or why that is not known. */
interface Listed {
  formats: readonly Format[];
  problem: string | null;
}

const UNKNOWN: Listed = { formats: [], problem: null };

/** The formats of a run, asked for when `ask` is called: they are the server's, and a newer one has others. */
function useFormats(runId: string): Listed & { ask: () => void } {
  const { actions } = useSurroundings();
  const [listed, setListed] = useState(UNKNOWN);
  const last = useRef(0);
  const ask = useCallback(() => {
    const number = ++last.current;
    const take = (found: Listed): void => {
      if (number === last.current) {
        setListed(found);
      }
    };
    setListed(({ formats }) => ({ formats, problem: null }));
    actions.formats(runId).then(
      formats => take({ formats, problem: null }),
      (error: unknown) =>
        take({ formats: [], problem: error instanceof Error ? error.message : String(error) })
    );
  }, [actions, runId]);
  return { ...listed, ask };
}

/** What the formats are called that have been there from the beginning; the name of another one has to do. */
function useNames(): Record<string, string> {
  const { trans } = useSurroundings();
  return {
    notebook: trans.__('Notebook'),
    markdown: trans.__('Markdown'),
    html: trans.__('Web page'),
    jsonl: trans.__('Trace (JSON lines)'),
    trajectory: trans.__('Trajectory'),
    rlms: trans.__('Log of rlms (JSON lines)'),
    chat: trans.__('Chat (JSON lines)'),
    otlp: trans.__('OpenTelemetry (JSON)'),
    display: trans.__('Cell output (JSON)')
  };
}

function usePlaces(hasNotebook: boolean): [ExportPlace, MenuGroup[]] {
  const { trans } = useSurroundings();
  const [wanted, setWanted] = useState<ExportPlace>('download');
  if (!hasNotebook) {
    return ['download', []];
  }
  const offer = (place: ExportPlace, label: string, title: string): MenuItem => ({
    key: place,
    label,
    title,
    checked: wanted === place,
    choice: 'one',
    stays: true,
    onSelect: () => setWanted(place)
  });
  const items = [
    offer('download', trans.__('Download'), trans.__('The browser saves the file')),
    offer(
      'beside',
      trans.__('Beside the notebook'),
      trans.__('Into the folder of the notebook; no file that is there is replaced')
    )
  ];
  return [wanted, [{ key: 'places', heading: trans.__('Save the run'), items }]];
}

interface ExportsProps {
  runId: string;
  /** Whether the run has a notebook, beside which a file can be. */
  hasNotebook: boolean;
}

/** The button with the formats that the run can be had in. */
export const Exports = memo(function Exports({ runId, hasNotebook }: ExportsProps): ReactElement {
  const { trans, actions } = useSurroundings();
  const { formats, problem, ask } = useFormats(runId);
  const [place, places] = usePlaces(hasNotebook);
  const names = useNames();
  const items = formats.map(({ format, summary, file_name }) => ({
    key: format,
    label: Object.hasOwn(names, format) ? names[format] : plainLine(format, 40),
    description: plainLine(summary, 200),
    title: plainLine(file_name, 200),
    onSelect: () => actions.exportRun(runId, format, place)
  }));
  const groups =
    items.length > 0 ? [...places, { key: 'formats', heading: trans.__('As'), items }] : [];
  const waiting = items.length > 0 ? undefined : trans.__('Asking the server …');
  return (
    <Popup
      label={trans.__('Export')}
      groups={groups}
      told={problem === null ? waiting : trans.__('The formats cannot be listed: %1', problem)}
      onOpen={ask}
    >
      <Icon icon={downloadIcon} />
    </Popup>
  );
});
