/** A run: what was asked, what was answered, and with what. */
import type { ReactElement } from 'react';

import type { components } from '../../api/generated';
import { count } from '../../model/format';
import type { RunModel } from '../../model/run';
import type { Span } from '../../model/span';
import { useSurroundings } from '../surroundings';
import { AllDescribed } from './described';
import { Failure } from './failure';
import { LongText } from './long';
import { Markdown } from './rendered';
import { Nothing, Pairs, Section } from './section';

type RunStart = components['schemas']['RunStart'];
type RunEnd = components['schemas']['RunEnd'];

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What the answer of a run is, in full where the server has it. */
function answerOf(run: RunModel, span: Span, end: RunEnd | undefined): string | null {
  const whole = span.parent === null ? run.run?.answer : null;
  const excerpt = end?.answer ?? null;
  return (whole?.length ?? 0) >= (excerpt?.length ?? 0) ? (whole ?? excerpt) : excerpt;
}

function Answer({ run, span }: { run: RunModel; span: Span }): ReactElement {
  const { trans } = useSurroundings();
  const end = span.end?.payload as RunEnd | undefined;
  const answer = answerOf(run, span, end);
  if (answer === null) {
    return (
      <Nothing>
        {span.status === 'running'
          ? trans.__('There is no answer yet.')
          : trans.__('It ended without an answer.')}
      </Nothing>
    );
  }
  const partial =
    span.status === 'running' || span.status === 'ok' ? undefined : trans.__('partial');
  return (
    <Section title={trans.__('Answer')} note={partial} copy={answer}>
      <Markdown text={answer} />
      {(end?.answer_size ?? 0) > answer.length && (
        <Nothing>
          {trans.__('The record holds this much of %1 characters.', count(end?.answer_size))}
        </Nothing>
      )}
    </Section>
  );
}

/** The question, the answer, the contexts, the settings and the versions of a run. */
export function Asked({ run, span }: { run: RunModel; span: Span }): ReactElement {
  const { trans } = useSurroundings();
  const start = span.start.payload as RunStart;
  const error = span.error;
  const settings: [string, string][] = [
    [trans.__('Model'), start.model],
    [trans.__('Backend'), start.backend],
    [trans.__('Environment'), start.environment],
    [trans.__('Iterations at most'), count(start.max_iterations)],
    ...Object.entries(start.settings ?? {}).map(([name, value]): [string, string] => [
      name,
      asText(value)
    ])
  ];
  const question = span.parent === null ? (run.run?.question ?? start.question) : start.question;
  const versions = Object.entries(start.versions ?? {});
  return (
    <>
      {error && <Failure error={error} />}
      <Section title={trans.__('Question')} copy={question}>
        <LongText text={question} />
      </Section>
      <Answer run={run} span={span} />
      <AllDescribed
        values={start.contexts ?? []}
        titleOf={({ name }) => trans.__('Context %1', name)}
      />
      <Section
        title={trans.__('Settings')}
        copy={() => settings.map(([name, value]) => `${name}: ${value}`).join('\n')}
      >
        <Pairs pairs={settings} />
      </Section>
      {versions.length > 0 && (
        <Section
          title={trans.__('Versions')}
          copy={() => versions.map(([name, version]) => `${name} ${version}`).join('\n')}
        >
          <Pairs pairs={versions} />
        </Section>
      )}
    </>
  );
}
