/** A reply while it is being written. */
import type { ReactElement } from 'react';
import { useLayoutEffect, useRef } from 'react';

import { useSurroundings } from '../surroundings';
import { Section } from './section';

/** Characters that are shown, the last ones. */
const SHOWN = 20_000;

/** Pixels from the end at which a reader still counts as being there. */
const NEAR = 24;

interface WritingProps {
  text: string;
  /** Whether no more will come. */
  brokenOff: boolean;
}

/** What has come of a reply, as plain text; it goes along with the end until the reader scrolls away from it. */
export function Writing({ text, brokenOff }: WritingProps): ReactElement {
  const { trans } = useSurroundings();
  const node = useRef<HTMLPreElement>(null);
  const follows = useRef(true);
  const shown = text.slice(-SHOWN);
  useLayoutEffect(() => {
    if (node.current && follows.current) {
      node.current.scrollTop = node.current.scrollHeight;
    }
  }, [shown]);
  const onScroll = (): void => {
    const { scrollHeight, scrollTop, clientHeight } = node.current!;
    follows.current = scrollHeight - scrollTop - clientHeight < NEAR;
  };
  return (
    <Section
      title={trans.__('Reply')}
      note={brokenOff ? trans.__('broken off') : trans.__('being written')}
      copy={() => text}
    >
      <pre
        ref={node}
        className="jp-rlm-Text jp-rlm-Writing"
        dir="auto"
        // It scrolls, so the keyboard must reach it.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        onScroll={onScroll}
      >
        {shown}
      </pre>
    </Section>
  );
}
