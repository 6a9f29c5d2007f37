/** The waterfall: what ran when, on one clock. */
import type { ReactElement } from 'react';

import type { Scale } from '../model/clock';
import { type Bar, barOf, bars } from '../model/groups';
import * as format from '../model/format';
import type { Row } from '../model/rows';
import { useSurroundings } from './surroundings';

/** Into how many parts the bar of a group is divided. */
const BINS = 40;

/** What a row draws: bars, in percent, and a text that is the same when they are. */
export interface Drawing {
  readonly bars: readonly Bar[];
  readonly same: string;
}

function percent(part: number): number {
  return Math.round(part * 10_000) / 100;
}

/** What the row of a span or of a group draws. */
export function drawingOf(row: Row, scale: Scale): Drawing {
  const drawn = row.type === 'span' ? [barOf(row.span, scale)] : bars(row.spans, scale, BINS);
  const same = drawn
    .map(bar => `${percent(bar.left)} ${percent(bar.width)} ${bar.weight.toFixed(1)} ${bar.kind}`)
    .join();
  return { bars: drawn, same };
}

interface BarsProps {
  drawing: Drawing;
  kind: string;
  status: string;
}

/** The bars of one row. */
export function Bars({ drawing, kind, status }: BarsProps): ReactElement {
  return (
    <div className="jp-rlm-Bars">
      {drawing.bars.map((bar, index) => (
        <span
          key={index}
          className="jp-rlm-Bar"
          data-kind={kind}
          data-status={bar.kind === 'ok' ? status : bar.kind}
          style={{
            left: `${percent(bar.left)}%`,
            width: `${percent(bar.width)}%`,
            opacity: bar.weight < 1 ? 0.25 + 0.75 * bar.weight : undefined
          }}
        />
      ))}
    </div>
  );
}

/** The first line of the tree, which stays: what the columns are, and the time. */
export function Axis({ scale, wide }: { scale: Scale; wide: boolean }): ReactElement {
  const { trans } = useSurroundings();
  const ticks = scale.ticks(4).filter(tick => tick.position < 0.85);
  return (
    <div role="row" aria-rowindex={1} className="jp-rlm-Axis">
      <span role="columnheader">{trans._p('column', 'span')}</span>
      <span role="columnheader" aria-label={trans.__('time line')} className="jp-rlm-Axis-ticks">
        {ticks.map(tick => (
          <span key={tick.seconds} style={{ left: `${percent(tick.position)}%` }}>
            {format.tick(tick.seconds)}
          </span>
        ))}
      </span>
      {wide && (
        <>
          <span role="columnheader" className="jp-rlm-Row-time">
            {trans._p('column', 'tokens')}
          </span>
          <span role="columnheader" className="jp-rlm-Row-time">
            {trans._p('column', 'cost')}
          </span>
        </>
      )}
      <span role="columnheader">{trans._p('column', 'time')}</span>
    </div>
  );
}
