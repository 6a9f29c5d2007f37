/** A picture that a model was shown. */
import type { ReactElement } from 'react';

import type { TextRecord } from '../../api/types';
import { count } from '../../model/format';
import type { RunModel } from '../../model/run';
import { useSurroundings } from '../surroundings';
import { Nothing } from './section';
import { Missing, useText } from './stored';

/** What a browser shows and cannot run: no SVG. */
const TYPES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];

/** The address of a picture; null of what is none, or too large to be kept. */
export function addressOf(record: TextRecord): string | null {
  const { media_type: type, text, cut } = record;
  const isPicture = type !== null && TYPES.includes(type) && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
  return isPicture && !cut ? `data:${type};base64,${text}` : null;
}

interface PictureProps {
  run: RunModel;
  digest: string;
  number: number;
}

function Picture({ run, digest, number }: PictureProps): ReactElement {
  const { trans } = useSurroundings();
  const record = useText(run, digest);
  if (!record) {
    return <Missing run={run} digest={digest} />;
  }
  const address = addressOf(record);
  if (address === null) {
    const bytes = count(record.size);
    return (
      <Nothing>{trans.__('A picture of %1 bytes, which the record does not hold.', bytes)}</Nothing>
    );
  }
  return (
    <img className="jp-rlm-Picture" src={address} alt={trans.__('Picture %1', count(number))} />
  );
}

interface PicturesProps {
  run: RunModel;
  digests: readonly unknown[] | undefined;
}

/** The pictures of a message or a prompt, in their order. */
export function Pictures({ run, digests }: PicturesProps): ReactElement | null {
  const named = (digests ?? []).filter(digest => typeof digest === 'string');
  if (named.length === 0) {
    return null;
  }
  return (
    <div className="jp-rlm-Pictures">
      {named.map((digest, index) => (
        <Picture key={`${index} ${digest}`} run={run} digest={digest} number={index + 1} />
      ))}
    </div>
  );
}
