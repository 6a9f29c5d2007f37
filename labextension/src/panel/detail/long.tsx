/** A text as text, cut until the reader asks for all of it. */
import type { ReactElement } from 'react';
import { useMemo, useState } from 'react';

import { count } from '../../model/format';
import { Button } from '../button';
import { useSurroundings } from '../surroundings';
import { Marked } from './marked';
import { cutAt, linesOf, pieces, SHOWN } from './pages';

interface LongTextProps {
  text: string;
  kind?: 'prose' | 'code' | 'error';
}

function Whole({ text, marks }: { text: string; marks: boolean }): ReactElement {
  const parts = useMemo(() => pieces(text).map(piece => ({ piece, room: linesOf(piece) })), [text]);
  return (
    <div>
      {parts.map(({ piece, room }, index) => (
        <span
          key={index}
          className="jp-rlm-Piece"
          style={{ containIntrinsicSize: `auto ${room * 17}px` }}
        >
          {marks ? <Marked text={piece} /> : piece}
        </span>
      ))}
    </div>
  );
}

/** A text in a `pre`: its beginning, and the whole when asked for. */
export function LongText(props: LongTextProps): ReactElement {
  const { text, kind = 'prose' } = props;
  const { trans } = useSurroundings();
  const [whole, setWhole] = useState(false);
  const cut = text.length > SHOWN;
  const shown = text.slice(0, cutAt(text, SHOWN));
  // In prose they are parts of words and emoji.
  const marks = kind === 'code';
  return (
    <>
      <pre className="jp-rlm-Text" data-kind={kind} dir={kind === 'code' || whole ? 'ltr' : 'auto'}>
        {whole ? <Whole text={text} marks={marks} /> : marks ? <Marked text={shown} /> : shown}
      </pre>
      {cut && (
        <Button
          label={
            whole ? trans.__('Show less') : trans.__('Show all (%1 characters)', count(text.length))
          }
          onClick={() => setWhole(!whole)}
        />
      )}
    </>
  );
}
