/** What a model was told. */
import type { ReactElement } from 'react';
import { useState } from 'react';

import type { components } from '../../api/generated';
import type { MessageRecord } from '../../api/types';
import { count } from '../../model/format';
import { messagesOf } from '../../model/messages';
import type { RunModel } from '../../model/run';
import type { Span } from '../../model/span';
import { Button } from '../button';
import { useSurroundings } from '../surroundings';
import { Pictures } from './picture';
import { Nothing, Section } from './section';
import { Stored, useText } from './stored';

type SubcallStart = components['schemas']['SubcallStart'];

interface MessageProps {
  run: RunModel;
  message: MessageRecord;
  number: number;
}

function Message({ run, message, number }: MessageProps): ReactElement {
  const { trans } = useSurroundings();
  const record = useText(run, message.digest);
  // A map: a role may be any text, `__proto__` too.
  const roles = new Map([
    ['system', trans.__('System')],
    ['user', trans.__('User')],
    ['assistant', trans.__('Model')]
  ]);
  return (
    <Section
      title={roles.get(message.role) ?? message.role}
      note={trans.__('message %1', count(number))}
      copy={record?.text}
    >
      <Stored run={run} digest={message.digest} />
      <Pictures run={run} digests={message.images} />
    </Section>
  );
}

/** The messages of a model call: those that are new in it, and the whole conversation when asked for. */
export function Messages({ run, span }: { run: RunModel; span: Span }): ReactElement {
  const { trans } = useSurroundings();
  const [all, setAll] = useState(false);
  const { added, whole, missing } = messagesOf(span);
  const shown = all ? whole : added;
  const first = missing + whole.length - shown.length;
  return (
    <>
      {whole.length > added.length && (
        <Button
          label={
            all
              ? trans.__('Show what was added')
              : trans._n(
                  'Show the whole conversation (%2 message)',
                  'Show the whole conversation (%2 messages)',
                  whole.length,
                  count(whole.length)
                )
          }
          onClick={() => setAll(!all)}
        />
      )}
      {shown.length === 0 && <Nothing>{trans.__('No message was added in this call.')}</Nothing>}
      {shown.map((message, index) => (
        <Message
          key={`${first + index} ${message.digest}`}
          run={run}
          message={message}
          number={first + index + 1}
        />
      ))}
    </>
  );
}

/** The prompt of a sub-call. */
export function Prompt({ run, start }: { run: RunModel; start: SubcallStart }): ReactElement {
  const { trans } = useSurroundings();
  const record = useText(run, start.prompt);
  return (
    <Section title={trans.__('Prompt')} copy={record?.text}>
      <Stored run={run} digest={start.prompt} />
      <Pictures run={run} digests={start.images} />
    </Section>
  );
}
