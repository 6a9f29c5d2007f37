/** The run that is shown: what was asked, how far it is, what it took, and what can be done about it. */
import type { ReactElement } from 'react';
import { useState } from 'react';

import type { PanelModel } from '../model/panel';
import type { RunModel } from '../model/run';
import type { AnyRun } from './actions';
import { Button } from './button';
import { More, Steering } from './controls';
import { cutAt, SHOWN } from './detail/pages';
import { Note } from './note';
import { Progress } from './progress';
import { useStatusWords } from './runs';
import { useSurroundings } from './surroundings';
import { useTick } from './tick';
import { rootOf, Totals } from './totals';

/** From how many characters on a question may need more than three lines, in the narrowest panel. */
const LONG = 90;

function Question({ question }: { question: string }): ReactElement {
  const { trans } = useSurroundings();
  const [whole, setWhole] = useState(false);
  const isLong = question.length > LONG || question.split('\n', 4).length > 3;
  // The detail has all of it: the header is no place for megabytes.
  const shown = whole ? question.slice(0, cutAt(question, SHOWN)) : question.slice(0, 600);
  return (
    <>
      {/* A long one scrolls, so the keyboard must reach it. */}
      <div
        className="jp-rlm-Question"
        dir="auto"
        data-whole={whole}
        role="group"
        aria-label={trans.__('Question')}
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={whole ? 0 : undefined}
      >
        {shown}
      </div>
      {isLong && (
        <Button
          label={whole ? trans.__('Show less') : trans.__('Show all')}
          expanded={whole}
          onClick={() => setWhole(!whole)}
        />
      )}
    </>
  );
}

function useStanding(run: RunModel, status: string): string {
  const { trans } = useSurroundings();
  const words = useStatusWords();
  const root = rootOf(run);
  const { iterations } = run.tree.counts;
  const model = root?.model ?? run.run?.model ?? '';
  const most = root?.max_iterations;
  const where =
    status === 'running' && most ? trans.__('Iteration %1 of %2', iterations, most) : words[status];
  const { steered } = run;
  const after = steered?.stopping
    ? trans.__('ends after this iteration')
    : steered?.paused
      ? trans.__('halts after this iteration')
      : null;
  const notes = steered?.notes
    ? trans._n('%1 note to be told', '%1 notes to be told', steered.notes)
    : null;
  return [where, model.slice(0, 80), after, notes].filter(Boolean).join(' · ');
}

interface HeaderProps {
  model: PanelModel;
  run: RunModel;
  known: AnyRun;
  visible: boolean;
}

/** The header of a run. */
export function Header({ model, run, known, visible }: HeaderProps): ReactElement {
  const { trans, actions } = useSurroundings();
  const [noteOpen, setNoteOpen] = useState(false);
  const isLive = run.state === 'live' && known.status === null;
  useTick(visible && isLive);
  const status = known.status ?? 'running';
  const standing = useStanding(run, status);
  const session = known.session_id;
  const canResume = session && (status === 'interrupted' || status === 'limit');
  return (
    <div className="jp-rlm-Header" data-status={status} data-rlm-part="header">
      <Question key={run.runId} question={known.question} />
      <div className="jp-rlm-Header-controls">
        <span className="jp-rlm-line jp-rlm-Header-state">
          <span className="jp-rlm-Dot" data-status={status} />
          <bdi>{standing}</bdi>
        </span>
        {isLive && (
          <Steering
            run={run}
            known={known}
            noteOpen={noteOpen}
            onNote={() => setNoteOpen(!noteOpen)}
          />
        )}
        {canResume && (
          <Button label={trans.__('Resume')} onClick={() => actions.resumeSession(session)} />
        )}
        <More known={known} spanId={model.span?.id ?? null} />
      </div>
      {isLive && noteOpen && (
        <Note onSend={text => actions.note(known, text)} onClose={() => setNoteOpen(false)} />
      )}
      <Progress run={run} />
      <Totals run={run} />
      {run.problem && <p className="jp-rlm-warn">{run.problem.slice(0, 500)}</p>}
    </div>
  );
}
