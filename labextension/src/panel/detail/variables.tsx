/** What a code block or a run did to the names of the namespace. */
import type { ReactElement } from 'react';

import { count } from '../../model/format';
import { useSurroundings } from '../surroundings';
import { Nothing, Section } from './section';

/** Names by what happened to them: created, rebound, deleted, mutated. */
export type Changes = Record<string, readonly string[] | undefined>;

/** How many names changed. */
export function changed(changes: Changes): number {
  return Object.values(changes).reduce((sum, names) => sum + (names?.length ?? 0), 0);
}

/** The names that changed, by what happened to them. */
export function Variables({ changes }: { changes: Changes }): ReactElement {
  const { trans } = useSurroundings();
  const titles: Record<string, string> = {
    created: trans.__('Created'),
    rebound: trans.__('Bound anew'),
    deleted: trans.__('Deleted'),
    mutated: trans.__('Changed in place')
  };
  const kinds = Object.entries(changes).filter(([, names]) => names?.length);
  if (kinds.length === 0) {
    return <Nothing>{trans.__('No name changed.')}</Nothing>;
  }
  return (
    <>
      {kinds.map(([kind, names = []]) => (
        <Section key={kind} title={titles[kind] ?? kind} copy={names.join('\n')}>
          <ul className="jp-rlm-Names">
            {names.slice(0, 500).map(name => (
              <li key={name}>
                <code dir="ltr">{name}</code>
              </li>
            ))}
          </ul>
          {names.length > 500 && (
            <Nothing>{trans.__('And %1 more.', count(names.length - 500))}</Nothing>
          )}
        </Section>
      ))}
    </>
  );
}
