/** What there is to know of a reply besides its text. */
import type { ReactElement } from 'react';
import { useState } from 'react';

import type { components } from '../../api/generated';
import type { RunModel } from '../../model/run';
import { useSurroundings } from '../surroundings';
import { Section } from './section';
import { Stored } from './stored';

type ReplyEnd = components['schemas']['ModelCallEnd'] | components['schemas']['SubcallEnd'];

interface RemarksProps {
  run: RunModel;
  end: ReplyEnd;
}

function Reasoning({ run, digest }: { run: RunModel; digest: string }): ReactElement {
  const { trans } = useSurroundings();
  const [open, setOpen] = useState(false);
  return (
    <details
      className="jp-rlm-Fold"
      open={open}
      onToggle={event => setOpen(event.currentTarget.open)}
    >
      <summary>{trans.__('Reasoning')}</summary>
      {open && <Stored run={run} digest={digest} />}
    </details>
  );
}

/** What was odd about a reply, and, folded, what the model thought. */
export function Remarks({ run, end }: RemarksProps): ReactElement {
  const { trans } = useSurroundings();
  const notes = (end.notes ?? []).filter(note => typeof note === 'string');
  return (
    <>
      {notes.length > 0 && (
        <Section title={trans.__('Notes')} copy={() => notes.join('\n')}>
          <ul className="jp-rlm-Notes">
            {notes.map((note, index) => (
              <li key={index} dir="auto">
                {note}
              </li>
            ))}
          </ul>
        </Section>
      )}
      {end.reasoning && <Reasoning run={run} digest={end.reasoning} />}
    </>
  );
}
