/** A text that an event names by its digest. */
import type { ReactElement } from 'react';

import type { TextRecord } from '../../api/types';
import { count } from '../../model/format';
import type { RunModel } from '../../model/run';
import { Button } from '../button';
import { useSignal, useSurroundings } from '../surroundings';
import { LongText } from './long';
import { Markdown } from './rendered';
import { Nothing } from './section';

/** The text of a digest, once it has come. */
export function useText(run: RunModel, digest: string | null | undefined): TextRecord | undefined {
  useSignal(run.texts.changed);
  return digest ? run.texts.get(digest) : undefined;
}

interface StoredProps {
  run: RunModel;
  digest: string;
  as?: 'prose' | 'markdown';
}

/** What stands in place of a text that is not here: that it is being fetched, or why it cannot be had. */
export function Missing({ run, digest }: { run: RunModel; digest: string }): ReactElement {
  const { trans } = useSurroundings();
  const problem = run.texts.problem(digest);
  if (!problem) {
    return <Nothing>{trans.__('Fetching the text …')}</Nothing>;
  }
  return (
    <>
      <Nothing>{trans.__('The text cannot be had: %1', problem.message)}</Nothing>
      <Button label={trans.__('Try again')} onClick={() => run.texts.again(digest)} />
    </>
  );
}

/** A text of the run's store, as text or as Markdown. */
export function Stored({ run, digest, as = 'prose' }: StoredProps): ReactElement {
  const { trans } = useSurroundings();
  const record = useText(run, digest);
  if (!record) {
    return <Missing run={run} digest={digest} />;
  }
  return (
    <>
      {as === 'markdown' ? <Markdown text={record.text} /> : <LongText text={record.text} />}
      {record.cut && (
        <Nothing>
          {trans.__('The record holds this much of %1 characters.', count(record.size))}
        </Nothing>
      )}
    </>
  );
}
