/** Two parts with a line between them that can be moved, by mouse and by keyboard. */
import type { KeyboardEvent, PointerEvent, ReactElement, ReactNode } from 'react';
import { useRef, useState } from 'react';

import { useSurroundings } from './surroundings';

const LEAST = 15;
const MOST = 85;
const STEP = 5;

interface SplitProps {
  wide: boolean;
  first: ReactNode;
  second: ReactNode;
}

function within(share: number): number {
  return Math.min(MOST, Math.max(LEAST, Math.round(share)));
}

function shareAfter(key: string, share: number): number | null {
  switch (key) {
    case 'ArrowUp':
    case 'ArrowLeft':
      return within(share - STEP);
    case 'ArrowDown':
    case 'ArrowRight':
      return within(share + STEP);
    case 'Home':
      return LEAST;
    case 'End':
      return MOST;
    default:
      return null;
  }
}

/** Shows the second part below the first, or beside it when there is room. */
export function Split({ wide, first, second }: SplitProps): ReactElement {
  const { trans } = useSurroundings();
  const [share, setShare] = useState(56);
  const whole = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent): void => {
    const next = shareAfter(event.key, share);
    if (next !== null) {
      setShare(next);
      event.preventDefault();
      event.stopPropagation();
    }
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>): void => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId) || !whole.current) {
      return;
    }
    const box = whole.current.getBoundingClientRect();
    const part = wide
      ? (event.clientX - box.left) / box.width
      : (event.clientY - box.top) / box.height;
    setShare(within(part * 100));
  };
  const parts = `minmax(0, ${share}fr) 5px minmax(0, ${100 - share}fr)`;
  return (
    <div
      ref={whole}
      className="jp-rlm-Split"
      data-wide={wide}
      style={wide ? { gridTemplateColumns: parts } : { gridTemplateRows: parts }}
    >
      {first}
      {/* A separator that moves is a widget: it takes the focus and the arrow keys. */}
      <div
        role="separator"
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        className="jp-rlm-Split-line"
        aria-label={trans.__('Size of the tree')}
        aria-orientation={wide ? 'vertical' : 'horizontal'}
        aria-valuenow={share}
        aria-valuemin={LEAST}
        aria-valuemax={MOST}
        onKeyDown={onKeyDown}
        onPointerDown={event => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={onPointerMove}
        onDoubleClick={() => setShare(56)}
      />
      {second}
    </div>
  );
}
