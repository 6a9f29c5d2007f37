/** What a model replied. */
import type { ReactElement } from 'react';

import type { components } from '../../api/generated';
import type { RunModel } from '../../model/run';
import type { Span } from '../../model/span';
import { useSurroundings } from '../surroundings';
import { Failure } from './failure';
import { Remarks } from './remarks';
import { Nothing, Section } from './section';
import { Stored, useText } from './stored';
import { Writing } from './writing';

type ReplyEnd = components['schemas']['ModelCallEnd'] | components['schemas']['SubcallEnd'];

/** The reply of a model call or of a sub-call. */
export function Reply({ run, span }: { run: RunModel; span: Span }): ReactElement {
  const { trans } = useSurroundings();
  const end = span.end?.payload as ReplyEnd | undefined;
  const record = useText(run, end?.reply);
  const took = [
    end?.cached ? trans.__('cached') : null,
    end?.response_model === span.model ? null : end?.response_model,
    end?.retries ? trans._n('%1 retry', '%1 retries', end.retries) : null,
    end?.finish_reason
  ];
  return (
    <>
      {span.error && <Failure error={span.error} />}
      {end?.reply ? (
        <Section
          title={trans.__('Reply')}
          note={took.filter(Boolean).join(' · ')}
          copy={record?.text}
        >
          <Stored run={run} digest={end.reply} as={span.status === 'ok' ? 'markdown' : 'prose'} />
        </Section>
      ) : span.text ? (
        <Writing text={span.text} brokenOff={end !== undefined} />
      ) : (
        <Nothing>
          {end ? trans.__('There is no reply.') : trans.__('The model is writing …')}
        </Nothing>
      )}
      {end && <Remarks run={run} end={end} />}
    </>
  );
}
