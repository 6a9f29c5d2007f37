/** A part of the detail: what it is, and a button that copies it. */
import { copyIcon } from '@jupyterlab/ui-components';
import type { ReactElement, ReactNode } from 'react';
import { useId } from 'react';

import { Button, Icon } from '../button';
import { useSurroundings } from '../surroundings';

interface SectionProps {
  title: string;
  /** What stands beside the title. */
  note?: string;
  /** What its copy button copies; without it there is none. */
  copy?: string | (() => string);
  children: ReactNode;
}

/** A titled part of the detail. */
export function Section({ title, note, copy, children }: SectionProps): ReactElement {
  const { trans, actions } = useSurroundings();
  const name = useId();
  return (
    <section className="jp-rlm-Section" aria-labelledby={name}>
      <div className="jp-rlm-Section-head">
        <span id={name} className="jp-rlm-Section-title">
          {title}
        </span>
        {note !== undefined && <bdi className="jp-rlm-dim jp-rlm-cut">{note}</bdi>}
        <span className="jp-rlm-grow" />
        {copy !== undefined && (
          <Button
            label={trans.__('Copy: %1', title)}
            title={trans.__('Copy')}
            onClick={() => actions.copy(typeof copy === 'string' ? copy : copy())}
          >
            <Icon icon={copyIcon} />
          </Button>
        )}
      </div>
      {children}
    </section>
  );
}

/** A sentence in place of what is not there. */
export function Nothing({ children }: { children: ReactNode }): ReactElement {
  return <p className="jp-rlm-Nothing jp-rlm-dim">{children}</p>;
}

/** Names and values, one pair a line. */
export function Pairs({ pairs }: { pairs: readonly [string, string][] }): ReactElement {
  return (
    <dl className="jp-rlm-Pairs">
      {pairs.map(([name, value]) => (
        <div key={name}>
          <dt dir="auto">{name}</dt>
          <dd dir="auto">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
