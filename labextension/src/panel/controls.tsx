/** What can be done with a run. */
import type { ReactElement } from 'react';

import type { RunModel } from '../model/run';
import type { AnyRun } from './actions';
import { Button, Sign } from './button';
import { Popup } from './popup';
import { useSurroundings } from './surroundings';

interface ControlsProps {
  run: RunModel;
  known: AnyRun;
  noteOpen: boolean;
  onNote: () => void;
}

/** The buttons that steer a run which is under way. */
export function Steering({ run, known, noteOpen, onNote }: ControlsProps): ReactElement {
  const { trans, actions } = useSurroundings();
  const { steered } = run;
  return (
    <>
      <Button label={trans.__('Note')} expanded={noteOpen} onClick={onNote} />
      {steered?.paused ? (
        <Button label={trans.__('Go on')} onClick={() => actions.resume(known)} />
      ) : (
        <Button
          label={trans.__('Pause')}
          title={trans.__('Halt after this iteration')}
          onClick={() => actions.pause(known)}
        />
      )}
      <Button
        label={trans.__('Stop after this iteration')}
        disabled={steered?.stopping}
        onClick={() => actions.stop(known)}
      >
        {trans.__('Stop after this')}
      </Button>
      <Button
        label={trans.__('Interrupt')}
        title={trans.__('Interrupt now')}
        tone="error"
        onClick={() => actions.interrupt(known)}
      />
    </>
  );
}

/** What can be done with a run at any time. */
export function More({ known, spanId }: { known: AnyRun; spanId: string | null }): ReactElement {
  const { trans, actions } = useSurroundings();
  const isOver = known.status !== null;
  return (
    <Popup
      label={trans.__('More')}
      groups={[
        {
          key: 'more',
          items: [
            {
              key: 'link',
              label: trans.__('Copy a link to this'),
              onSelect: () => actions.copyLink(known.run_id, spanId)
            },
            ...(isOver
              ? [
                  {
                    key: 'delete',
                    label: trans.__('Delete the run …'),
                    danger: true,
                    onSelect: () => actions.deleteRun(known)
                  }
                ]
              : [])
          ]
        }
      ]}
    >
      <Sign>⋯</Sign>
    </Popup>
  );
}
