/** Python code in the colours of Lab's editors. */
import type { ReactElement } from 'react';
import { memo, useEffect, useRef } from 'react';

import { useSurroundings } from '../surroundings';
import { markHidden } from './hidden';
import { LongText } from './long';
import { Hidden } from './marked';
import { SHOWN } from './pages';

/** Code that is read, not written. */
export const Highlighted = memo(function Highlighted({ code }: { code: string }): ReactElement {
  const { languages } = useSurroundings();
  const place = useRef<HTMLPreElement>(null);
  const long = code.length > SHOWN;
  useEffect(() => {
    const node = place.current;
    if (!node || long) {
      return;
    }
    node.textContent = code;
    markHidden(node);
    const python = languages?.findByMIME('text/x-python');
    if (!languages || !python) {
      return;
    }
    let current = true;
    const coloured = document.createElement('div');
    languages.highlight(code, python, coloured).then(
      () => {
        if (current) {
          markHidden(coloured);
          node.replaceChildren(...coloured.childNodes);
        }
      },
      // A language that cannot be loaded: the code stays without colours.
      () => undefined
    );
    return () => {
      current = false;
    };
  }, [code, languages, long]);
  if (long) {
    return (
      <>
        <Hidden code={code} />
        <LongText text={code} kind="code" />
      </>
    );
  }
  return (
    <>
      <Hidden code={code} />
      <pre ref={place} className="jp-rlm-Text jp-rlm-Code" data-kind="code" dir="ltr" />
    </>
  );
});
