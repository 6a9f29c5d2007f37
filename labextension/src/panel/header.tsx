/** The run that is shown: what was asked, how far it is, what it took, and what can be done about it. */
import type { ReactElement } from 'react';
import { memo, useCallback, useRef, useState } from 'react';

import { canResume } from '../model/again';
import { clockTime, count } from '../model/format';
import type { PanelModel } from '../model/panel';
import type { RunModel } from '../model/run';
import type { AnyRun } from './actions';
import { Button } from './button';
import { Again, More, Steering } from './controls';
import { cutAt, SHOWN } from './detail/pages';
import { hasDraft } from './drafts';
import { Lineage } from './lineage';
import { Note, noteDraft } from './note';
import { Progress } from './progress';
import { useStatusWords } from './runs';
import { type Standing, standingOf } from './standing';
import { useSurroundings } from './surroundings';
import { rootOf, Totals } from './totals';

/** From how many characters on a question may need more than three lines, in the narrowest panel. */
const LONG = 90;

const Question = memo(function Question({ question }: { question: string }): ReactElement {
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
});

function useWords(run: RunModel, standing: Standing): string {
  const { trans } = useSurroundings();
  const words = useStatusWords();
  const root = rootOf(run);
  const { iterations } = run.tree.counts;
  const model = root?.model ?? run.run?.model ?? '';
  const most = root?.max_iterations;
  const isOver = (run.run?.status ?? null) !== null;
  const where =
    isOver || !most
      ? null
      : iterations > most
        ? trans.__('Final answer asked for')
        : trans.__('Iteration %1 of %2', count(iterations), count(most));
  // That it runs goes without saying where it is said how far it is.
  const how = standing === 'running' && where !== null ? null : words[standing];
  const { steered } = run;
  const after = steered?.stopping
    ? trans.__('ends after this iteration')
    : steered?.paused && standing !== 'paused'
      ? trans.__('halts after this iteration')
      : null;
  const notes = steered?.notes
    ? trans._n('%2 note to be told', '%2 notes to be told', steered.notes, count(steered.notes))
    : null;
  return [how, where, model.slice(0, 80), after, notes].filter(Boolean).join(' · ');
}

/** When the server was last reached, in seconds since the epoch; null while it is. */
function useAsOf(run: RunModel): number | null {
  const last = useRef(Date.now() / 1000);
  const isReached = run.error?.status !== 0;
  if (isReached) {
    last.current = Date.now() / 1000;
  }
  return isReached ? null : last.current;
}

function Problem({ run, asOf }: { run: RunModel; asOf: number | null }): ReactElement | null {
  const { trans } = useSurroundings();
  if (asOf !== null) {
    const time = clockTime(asOf);
    return (
      <p className="jp-rlm-dim" data-rlm="unreached">
        {trans.__('The Jupyter server cannot be reached; this is as of %1.', time)}
      </p>
    );
  }
  return run.problem === null ? null : <p className="jp-rlm-warn">{run.problem.slice(0, 500)}</p>;
}

interface HeaderProps {
  model: PanelModel;
  run: RunModel;
  known: AnyRun;
  visible: boolean;
}

/** The header of a run. */
export function Header({ model, run, known, visible }: HeaderProps): ReactElement {
  const { actions } = useSurroundings();
  const [noteOpen, setNoteOpen] = useState(() => hasDraft(noteDraft(run.runId)));
  const isLive = run.state === 'live' && known.status === null;
  const status = known.status ?? 'running';
  const standing = standingOf(model, run);
  const words = useWords(run, standing);
  const asOf = useAsOf(run);
  const asked = useRef(false);
  const onNote = useCallback(() => {
    asked.current = true;
    setNoteOpen(open => !open);
  }, []);
  return (
    <div
      className="jp-rlm-Header"
      data-status={status}
      data-standing={standing}
      data-rlm-part="header"
    >
      <Question key={run.runId} question={known.question} />
      <div className="jp-rlm-line jp-rlm-Header-state">
        <span className="jp-rlm-Dot" data-status={standing} />
        <bdi className="jp-rlm-grow">{words}</bdi>
        {/* Without its beginning nobody knows what it did. */}
        {run.tree.root !== null && (
          <Again known={known} resumable={canResume(known, model.notebook?.runs ?? [])} />
        )}
        <More known={known} spanId={model.span?.id ?? null} />
      </div>
      <Lineage model={model} run={run} />
      {isLive && (
        <Steering
          known={known}
          reached={asOf === null}
          paused={run.steered?.paused === true}
          stopping={run.steered?.stopping === true}
          noteOpen={noteOpen}
          onNote={onNote}
        />
      )}
      {noteOpen && (
        <Note
          runId={run.runId}
          live={isLive}
          focus={asked.current}
          reached={asOf === null}
          onSend={text => actions.note(known, text)}
          onClose={() => setNoteOpen(false)}
        />
      )}
      <Progress run={run} />
      <Totals run={run} visible={visible} />
      <Problem run={run} asOf={asOf} />
    </div>
  );
}
