/** A code block that waits for the user's decision. */
import type { ReactElement } from 'react';
import { useId, useMemo, useState } from 'react';

import type { ProposedCode } from '../api/types';
import type { AnyRun } from './actions';
import { Button } from './button';
import { hiddenCharacters } from './detail/hidden';
import { useSurroundings } from './surroundings';

interface ReviewProps {
  known: AnyRun;
  proposed: ProposedCode;
}

function Hidden({ code }: { code: string }): ReactElement | null {
  const { trans } = useSurroundings();
  const found = useMemo(() => hiddenCharacters(code), [code]);
  if (found.length === 0) {
    return null;
  }
  const where = found
    .slice(0, 5)
    .map(({ name, line }) => trans.__('%1 in line %2', name, line))
    .join(', ');
  return (
    <p className="jp-rlm-warn">
      {trans.__('The code holds characters that cannot be seen: %1.', where)}
    </p>
  );
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
  const { trans, actions } = useSurroundings();
  const [code, setCode] = useState(proposed.code);
  const title = useId();
  const { review_id, iteration, index } = proposed;
  return (
    <section className="jp-rlm-Review" aria-labelledby={title} data-rlm-part="review">
      <div id={title} className="jp-rlm-Section-title">
        {trans.__('Iteration %1, block %2 waits for your decision', iteration, index)}
      </div>
      <Hidden code={code} />
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
        isChanged={code !== proposed.code}
        isEmpty={!code.trim()}
        onUndo={() => setCode(proposed.code)}
        onDecide={(decision, reason) =>
          actions.decide(
            known,
            decision === 'edited'
              ? { review_id, decision, code, reason }
              : { review_id, decision, reason }
          )
        }
      />
    </section>
  );
}
