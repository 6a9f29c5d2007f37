/** A value that code could read: a context, or a variable of the notebook. It is described, and not here itself. */
import type { ReactElement } from 'react';

import type { components } from '../../api/generated';
import { count } from '../../model/format';
import { plainLine } from '../../model/plain';
import { useSurroundings } from '../surroundings';
import { LongText } from './long';
import { Nothing, Section } from './section';

/** A value as a trace describes it. */
export type ContextRecord = components['schemas']['ContextRecord'];

/** How many values are shown. */
const MOST = 200;

interface DescribedProps {
  value: ContextRecord;
  title: string;
}

function useFacts(value: ContextRecord): string {
  const { trans } = useSurroundings();
  const { type, size, unit, expression, name } = value;
  const isNamed = typeof expression === 'string' && expression !== '' && expression !== name;
  return [
    type,
    typeof size === 'number' ? `${count(size)} ${unit ?? ''}`.trim() : '',
    isNamed ? trans.__('from %1', plainLine(expression)) : '',
    typeof value.value === 'string' ? trans.__('kept in full') : ''
  ]
    .filter(Boolean)
    .join(' · ');
}

function Described({ value, title }: DescribedProps): ReactElement {
  return (
    <Section title={title} note={useFacts(value)} copy={value.preview || undefined}>
      {value.preview && <LongText text={value.preview} />}
    </Section>
  );
}

/** Values, one below the other. */
export function AllDescribed(props: {
  values: readonly ContextRecord[];
  titleOf: (value: ContextRecord) => string;
}): ReactElement {
  const { values, titleOf } = props;
  const { trans } = useSurroundings();
  return (
    <>
      {values.slice(0, MOST).map((value, index) => (
        <Described key={index} value={value} title={titleOf(value)} />
      ))}
      {values.length > MOST && (
        <Nothing>{trans.__('And %1 more.', count(values.length - MOST))}</Nothing>
      )}
    </>
  );
}
