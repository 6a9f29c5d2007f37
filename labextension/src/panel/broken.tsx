/** What stands in place of the panel when it cannot be shown, and how it comes back. */
import type { ReactElement, ReactNode } from 'react';
import { useEffect, useState } from 'react';

import { Boundary } from './boundary';
import { State } from './states';
import { useSurroundings, useValue } from './surroundings';

type OnBroken = (isBroken: boolean) => void;

interface InsteadProps {
  reason: string;
  onBroken: OnBroken;
  onRetry: () => void;
}

function Instead({ reason, onBroken, onRetry }: InsteadProps): ReactElement {
  useEffect(() => {
    onBroken(true);
    return () => onBroken(false);
  }, [onBroken]);
  return <State name="broken" problem={reason} onRetry={onRetry} />;
}

/** Shows its children, or why they cannot be shown; another run, or another notebook, is tried again. */
export function Broken(props: { onBroken: OnBroken; children: ReactNode }): ReactElement {
  const { model } = useSurroundings();
  const [tries, setTries] = useState(0);
  const shown = useValue(
    model.changed,
    () => `${model.run?.runId ?? ''} ${model.notebook?.path ?? ''}`
  );
  return (
    <Boundary
      of={`${tries} ${shown}`}
      fallback={reason => (
        <Instead reason={reason} onBroken={props.onBroken} onRetry={() => setTries(tries + 1)} />
      )}
    >
      {props.children}
    </Boundary>
  );
}
