/** What can be done with a run. */
import type { ReactElement } from 'react';
import { memo } from 'react';

import type { AnyRun } from './actions';
import { Button, Sign } from './button';
import { Popup } from './popup';
import { useSurroundings } from './surroundings';

interface SteeringProps {
  known: AnyRun;
  /** Whether the server is reached: nothing can be steered otherwise. */
  reached: boolean;
  paused: boolean;
  stopping: boolean;
  noteOpen: boolean;
  onNote: () => void;
}

/** The buttons that steer a run which is under way. */
export const Steering = memo(function Steering(props: SteeringProps): ReactElement {
  const { known, reached, paused, stopping, noteOpen, onNote } = props;
  const { trans, actions } = useSurroundings();
  return (
    <div className="jp-rlm-Steering" role="group" aria-label={trans.__('Steer the run')}>
      <Button label={trans.__('Note')} disabled={!reached} expanded={noteOpen} onClick={onNote} />
      {paused ? (
        <Button
          label={trans.__('Go on')}
          disabled={!reached}
          onClick={() => actions.resume(known)}
        />
      ) : (
        <Button
          label={trans.__('Pause')}
          title={trans.__('Halt after this iteration')}
          disabled={!reached}
          onClick={() => actions.pause(known)}
        />
      )}
      <Button
        label={trans.__('Stop after this iteration')}
        disabled={stopping || !reached}
        onClick={() => actions.stop(known)}
      >
        {trans.__('Stop after this')}
      </Button>
      <Button
        label={trans.__('Interrupt')}
        title={trans.__('Interrupt now')}
        disabled={!reached}
        tone="error"
        onClick={() => actions.interrupt(known)}
      />
    </div>
  );
});

interface AgainProps {
  known: AnyRun;
  /** Whether it was cut, and nothing went on with it since. */
  resumable: boolean;
}

/** The buttons that go through a run once more, when it is over. */
export const Again = memo(function Again({ known, resumable }: AgainProps): ReactElement | null {
  const { trans, actions } = useSurroundings();
  if (known.status === null) {
    return null;
  }
  return (
    <>
      {resumable && (
        <Button
          label={trans.__('Resume')}
          title={trans.__(
            'Resume this run: a new cell goes on where it was cut. Calls that were answered are not sent, or paid for, again.'
          )}
          tone="primary"
          onClick={() => actions.resumeRun(known)}
        />
      )}
      <Button
        label={trans.__('Replay')}
        title={trans.__(
          'Replay this run: a new cell runs its code once more with the recorded replies, and tells what differs. No model is asked.'
        )}
        onClick={() => actions.replayRun(known)}
      />
    </>
  );
});

interface MoreProps {
  known: AnyRun;
  spanId: string | null;
}

/** What can be done with a run at any time. */
export const More = memo(function More({ known, spanId }: MoreProps): ReactElement {
  const { trans, actions } = useSurroundings();
  const isOver = known.status !== null;
  const session = known.session_id;
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
            ...(isOver && session !== null
              ? [
                  {
                    key: 'session',
                    label: trans.__('Go on with its session'),
                    title: trans.__(
                      'What is asked next follows upon what was asked in that session'
                    ),
                    onSelect: () => actions.resumeSession(session)
                  }
                ]
              : []),
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
});
