/** Why something failed, as it was said. */
import type { ReactElement } from 'react';

import type { ErrorRecord } from '../../api/types';
import { useSurroundings } from '../surroundings';
import { LongText } from './long';
import { Section } from './section';

// eslint-disable-next-line no-control-regex
const COLOURS = /\u001b\[[0-9;]*m/g;

/** A text without the colours of a terminal, which a traceback of IPython has. */
export function withoutColours(text: string): string {
  return text.replace(COLOURS, '');
}

/** An error in words, with its traceback. */
export function Failure({ error }: { error: ErrorRecord }): ReactElement {
  const { trans } = useSurroundings();
  const words = `${error.name}: ${error.message}`;
  const traceback = error.traceback ? withoutColours(error.traceback) : null;
  return (
    <Section title={trans.__('Error')} copy={() => traceback ?? words}>
      <LongText text={words} kind="error" />
      {traceback && <LongText text={traceback} kind="error" />}
    </Section>
  );
}
