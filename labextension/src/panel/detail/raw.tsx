/** The events of a span as they are in the store. */
import type { ReactElement } from 'react';
import { useMemo } from 'react';

import type { SpanEnd, SpanStart } from '../../api/types';
import { useSurroundings } from '../surroundings';
import { LongText } from './long';
import { Nothing, Section } from './section';

function Event({ title, event }: { title: string; event: SpanStart | SpanEnd }): ReactElement {
  const json = useMemo(() => JSON.stringify(event, null, 2), [event]);
  return (
    <Section title={title} copy={json}>
      <LongText text={json} kind="code" />
    </Section>
  );
}

interface RawProps {
  start: SpanStart;
  end: SpanEnd | null;
}

/** The start and the end of a span, as JSON. */
export function Raw({ start, end }: RawProps): ReactElement {
  const { trans } = useSurroundings();
  return (
    <>
      <Event title={trans.__('Start')} event={start} />
      {end ? (
        <Event title={trans.__('End')} event={end} />
      ) : (
        <Nothing>{trans.__('It has not ended yet.')}</Nothing>
      )}
    </>
  );
}
