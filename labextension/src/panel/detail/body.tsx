/** What a tab shows of a span. */
import type { ReactElement } from 'react';

import type { components } from '../../api/generated';
import type { Tab } from '../../model/panel';
import type { RunModel } from '../../model/run';
import type { Span } from '../../model/span';
import { useSurroundings } from '../surroundings';
import { Asked } from './asked';
import { BlockVariables, Code, Output } from './block';
import { LongText } from './long';
import { Messages, Prompt } from './messages';
import { Raw } from './raw';
import { Reply } from './reply';
import { Section } from './section';
import { blocksOf, callOf } from './tabs';

type Schemas = components['schemas'];

interface BodyProps {
  run: RunModel;
  span: Span;
  tab: Tab;
}

function Iteration({ run, span }: { run: RunModel; span: Span }): ReactElement {
  const { trans } = useSurroundings();
  const call = callOf(span);
  const start = span.start.payload as Schemas['IterationStart'];
  const end = span.end?.payload as Schemas['IterationEnd'] | undefined;
  return (
    <>
      {(start.notes ?? []).map((note, index) => (
        <Section key={index} title={trans.__('Your note')} copy={note}>
          <LongText text={note} />
        </Section>
      ))}
      {end?.rejected && (
        <Section title={trans.__('Why its answer was not accepted')} copy={end.rejected}>
          <LongText text={end.rejected} />
        </Section>
      )}
      {call && <Reply run={run} span={call} />}
    </>
  );
}

function Answered({ run, span }: { run: RunModel; span: Span }): ReactElement {
  if (span.kind === 'run') {
    return <Asked run={run} span={span} />;
  }
  return span.kind === 'iteration' ? (
    <Iteration run={run} span={span} />
  ) : (
    <Reply run={run} span={span} />
  );
}

function Told({ run, span }: { run: RunModel; span: Span }): ReactElement | null {
  if (span.kind === 'subcall') {
    return <Prompt run={run} start={span.start.payload as Schemas['SubcallStart']} />;
  }
  const call = span.kind === 'iteration' ? callOf(span) : span;
  return call ? <Messages run={run} span={call} /> : null;
}

/** The content of one tab. */
export function Body({ run, span, tab }: BodyProps): ReactElement | null {
  const blocks = span.kind === 'iteration' ? blocksOf(span) : [span];
  switch (tab) {
    case 'reply':
      return <Answered run={run} span={span} />;
    case 'messages':
      return <Told run={run} span={span} />;
    case 'code':
      return (
        <>
          {blocks.map(block => (
            <Code key={block.id} span={block} />
          ))}
        </>
      );
    case 'output':
      return (
        <>
          {blocks.map(block => (
            <Output key={block.id} span={block} />
          ))}
        </>
      );
    case 'variables':
      return (
        <>
          {blocks.map(block => (
            <BlockVariables key={block.id} span={block} />
          ))}
        </>
      );
    default:
      return <Raw start={span.start} end={span.end} />;
  }
}
