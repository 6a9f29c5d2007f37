/** A code block that waits for the user's decision. */
import type { ReactElement } from 'react';
import { useEffect, useId, useMemo, useState } from 'react';

import type { ProposedCode } from '../api/types';
import type { AnyRun } from './actions';
import { Button } from './button';
import { hiddenCharacters } from './detail/hidden';
import { LongText } from './detail/long';
import { Hidden } from './detail/marked';
import { dropDraft, useDraft } from './drafts';
import { useSurroundings } from './surroundings';

interface ReviewProps {
  known: AnyRun;
  proposed: ProposedCode;
}

interface DecisionProps {
  isChanged: boolean;
  isEmpty: boolean;
  onUndo: () => void;
  onDecide: (decision: 'approved' | 'edited' | 'rejected', reason: string | null) => void;
}

function Decisions({ isChanged, isEmpty, onUndo, onDecide }: DecisionProps): ReactElement {
  const { trans } = useSurroundings();
  const [reason, setReason] = useState('');
  const [decided, setDecided] = useState(false);
  const decide = (decision: 'approved' | 'edited' | 'rejected'): void => {
    setDecided(true);
    onDecide(decision, reason.trim() || null);
  };
  const [run, decision] = isChanged
    ? [trans.__('Run the changed code'), 'edited' as const]
    : [trans.__('Run it'), 'approved' as const];
  return (
    <div className="jp-rlm-Review-buttons">
      <Button
        label={run}
        tone="primary"
        disabled={decided || isEmpty}
        onClick={() => decide(decision)}
      />
      {isChanged && <Button label={trans.__('Undo the changes')} onClick={onUndo} />}
      <input
        type="text"
        dir="auto"
        data-lm-suppress-shortcuts="true"
        aria-label={trans.__('Reason, which the model is told')}
        placeholder={trans.__('Reason, which the model is told')}
        value={reason}
        onChange={event => setReason(event.target.value)}
      />
      <Button
        label={trans.__('Reject')}
        tone="error"
        disabled={decided}
        onClick={() => decide('rejected')}
      />
      {decided && (
        // A decision that did not arrive, or that came too late for this panel to know.
        <Button label={trans.__('Decide again')} onClick={() => setDecided(false)} />
      )}
    </div>
  );
}

/** The code, which can be changed, and the decision. Nothing runs before there is one. */
export function Review({ known, proposed }: ReviewProps): ReactElement {
  const { trans, actions, model } = useSurroundings();
  const title = useId();
  const { review_id, iteration, index } = proposed;
  const draft = `review ${review_id}`;
  const [code, setCode] = useDraft(draft, proposed.code);
  const isChanged = code !== proposed.code;
  // It is not taken back when this goes out of view: the change would be lost on the cell.
  useEffect(() => model.setDrafting(isChanged), [model, isChanged]);
  const isOdd = useMemo(() => hiddenCharacters(code).length > 0, [code]);
  return (
    <section className="jp-rlm-Review" aria-labelledby={title} data-rlm-part="review">
      <div id={title} className="jp-rlm-Section-title">
        {trans.__('Iteration %1, block %2 waits for your decision', iteration, index)}
      </div>
      <Hidden code={code} />
      {/* A field cannot show what is hidden in its text. */}
      {isOdd && <LongText text={code} kind="code" />}
      <textarea
        dir="ltr"
        spellCheck={false}
        data-lm-suppress-shortcuts="true"
        aria-label={trans.__('Code that waits')}
        rows={Math.min(16, Math.max(3, code.slice(0, 20_000).split('\n').length))}
        value={code}
        onChange={event => setCode(event.target.value)}
      />
      <Decisions
        isChanged={isChanged}
        isEmpty={!code.trim()}
        onUndo={() => setCode(proposed.code)}
        onDecide={(decision, reason) => {
          actions.decide(
            known,
            decision === 'edited'
              ? { review_id, decision, code, reason }
              : { review_id, decision, reason }
          );
          dropDraft(draft);
        }}
      />
    </section>
  );
}
