/** Code in which what is hidden is seen. */
import type { ReactElement } from 'react';
import { memo, useMemo } from 'react';

import { count } from '../../model/format';
import { markedPieces, PLACEHOLDER } from '../../model/marks';
import { listed } from '../listing';
import { useSurroundings } from '../surroundings';
import { hiddenCharacters, hiddenCount } from './hidden';

/** How many sorts of hidden characters are named. */
const NAMED = 5;

/** A text with a mark around each hidden character, which stays in it for who copies it. */
export const Marked = memo(function Marked({ text }: { text: string }): ReactElement {
  const pieces = useMemo(() => markedPieces(text), [text]);
  return (
    <>
      {pieces.map((piece, index) =>
        piece.points === null ? (
          piece.text
        ) : (
          <span key={index} className="jp-rlm-Hidden" title={piece.points}>
            {piece.text}
          </span>
        )
      )}
    </>
  );
});

/** A line that says how many hidden characters a code has, and which; nothing where there are none. */
export const Hidden = memo(function Hidden({ code }: { code: string }): ReactElement | null {
  const { trans } = useSurroundings();
  const found = useMemo(() => ({ all: hiddenCount(code), sorts: hiddenCharacters(code) }), [code]);
  if (found.all === 0) {
    return null;
  }
  const where = found.sorts
    .slice(0, NAMED)
    .map(({ name, line }) => trans.__('%1 in line %2', name, count(line)));
  const more = found.sorts.length > NAMED ? [trans.__('others')] : [];
  return (
    <p className="jp-rlm-warn">
      {trans._n(
        '%2 character that is hidden or turns the direction of writing, shown as %3: %4.',
        '%2 characters that are hidden or turn the direction of writing, shown as %3: %4.',
        found.all,
        count(found.all),
        PLACEHOLDER,
        listed([...where, ...more], trans)
      )}
    </p>
  );
});
