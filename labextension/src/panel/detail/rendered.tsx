/** What Lab's rendermime makes of a text or an output, untrusted. */
import type { PartialJSONObject } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';
import type { ReactElement } from 'react';
import { memo, useLayoutEffect, useMemo, useRef } from 'react';

import { useSurroundings } from '../surroundings';
import { LongText } from './long';
import { Nothing } from './section';

/** Up to how many characters Markdown is rendered: a browser needs long for more. */
const RENDERED = 100_000;

interface RenderedProps {
  mimeType: string;
  data: PartialJSONObject;
  metadata?: PartialJSONObject;
}

/** One MIME bundle, rendered as the given type. */
export const Rendered = memo(function Rendered(props: RenderedProps): ReactElement {
  const { mimeType, data, metadata } = props;
  const { rendermime, trans } = useSurroundings();
  const host = useRef<HTMLDivElement>(null);
  // A layout effect is undone while its element is still in the page, and a widget must be detached there.
  useLayoutEffect(() => {
    const node = host.current;
    if (!node?.isConnected) {
      return;
    }
    const renderer = rendermime.createRenderer(mimeType);
    Widget.attach(renderer, node);
    const model = rendermime.createModel({ data, metadata, trusted: false });
    renderer.renderModel(model).catch((reason: unknown) => {
      renderer.node.textContent = trans.__('It cannot be shown: %1', String(reason));
    });
    return () => {
      renderer.dispose();
    };
  }, [rendermime, trans, mimeType, data, metadata]);
  return <div ref={host} className="jp-rlm-Rendered" dir="auto" data-mime={mimeType} />;
});

/** Markdown that a model wrote; a long one is shown as text. */
export const Markdown = memo(function Markdown({ text }: { text: string }): ReactElement {
  const data = useMemo(() => ({ 'text/markdown': text }), [text]);
  const { trans } = useSurroundings();
  if (text.length > RENDERED) {
    return (
      <>
        <Nothing>{trans.__('It is too long to be rendered; shown as text.')}</Nothing>
        <LongText text={text} />
      </>
    );
  }
  return <Rendered mimeType="text/markdown" data={data} />;
});
