/** A code block: what ran, what the user said to it, and what came of it. */
import type { ReactElement } from 'react';

import type { components } from '../../api/generated';
import * as format from '../../model/format';
import { type Span, totalTime } from '../../model/span';
import { useSurroundings } from '../surroundings';
import { AllDescribed, type ContextRecord } from './described';
import { Failure } from './failure';
import { Highlighted } from './highlighted';
import { LongText } from './long';
import { Outputs, textOf } from './output';
import { Nothing, Section } from './section';
import { changed, type Changes, Variables } from './variables';

type CodeStart = components['schemas']['CodeStart'];
type CodeEnd = components['schemas']['CodeEnd'] & { changes?: Changes };

/** The code of a block as it ran. */
export function codeOf(span: Span): string {
  return (span.start.payload as CodeStart).code;
}

/** What a block or a run changed in the namespace. */
export function changesOf(span: Span): Changes {
  return (span.end?.payload as CodeEnd | undefined)?.changes ?? {};
}

/** The variables that a block read and that its run did not make, as they were before it. */
export function inputsOf(span: Span): readonly ContextRecord[] {
  return (span.start.payload as CodeStart).inputs ?? [];
}

/** The code that ran, and the model's own where the user put other code in its place. */
export function Code({ span }: { span: Span }): ReactElement {
  const { trans } = useSurroundings();
  const start = span.start.payload as CodeStart;
  const reviews: Record<string, string> = {
    approved: trans.__('approved by you'),
    edited: trans.__('changed by you'),
    rejected: trans.__('rejected by you: it did not run')
  };
  return (
    <>
      <Section
        title={trans.__('Block %1', start.index)}
        note={start.review ? reviews[start.review] : undefined}
        copy={codeOf(span)}
      >
        <Highlighted code={codeOf(span)} />
      </Section>
      {start.proposed && (
        <Section title={trans.__('As the model proposed it')} copy={start.proposed}>
          <Highlighted code={start.proposed} />
        </Section>
      )}
      {span.error && <Failure error={span.error} />}
    </>
  );
}

/** The outputs of a block, the answer that it gave, and what else was noted. */
export function Output({ span }: { span: Span }): ReactElement {
  const { trans } = useSurroundings();
  const end = span.end?.payload as CodeEnd | undefined;
  if (!end) {
    return <Nothing>{trans.__('The code is running; its output comes when it ends.')}</Nothing>;
  }
  const outputs = end.outputs ?? [];
  const saysError = outputs.some(output => output.output_type === 'error');
  return (
    <>
      {outputs.length > 0 ? (
        <Section
          title={trans.__('Out')}
          note={format.seconds(totalTime(span, span.ended ?? 0))}
          copy={() => outputs.map(textOf).join('\n')}
        >
          <Outputs outputs={outputs} />
        </Section>
      ) : (
        <Nothing>{trans.__('There is no output.')}</Nothing>
      )}
      {end.error && !saysError && <Failure error={end.error} />}
      {end.final_answer && (
        <Section title={trans.__('Answer')} copy={end.final_answer}>
          <LongText text={end.final_answer} />
        </Section>
      )}
      {(end.notes ?? []).map((note, index) => (
        <Section key={index} title={trans.__('Note')} copy={note}>
          <LongText text={note} />
        </Section>
      ))}
    </>
  );
}

/** The names that a block read and changed. */
export function BlockVariables({ span }: { span: Span }): ReactElement {
  const { trans } = useSurroundings();
  const inputs = inputsOf(span);
  const changes = changesOf(span);
  return (
    <>
      <AllDescribed values={inputs} titleOf={({ name }) => trans.__('Read: %1', name)} />
      {(inputs.length === 0 || changed(changes) > 0) && <Variables changes={changes} />}
    </>
  );
}
