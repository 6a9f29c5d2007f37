/** One row of the tree. It renders again only when something in it looks different. */
import type { CSSProperties, ReactElement } from 'react';
import { memo } from 'react';

import type { Row } from '../model/rows';
import { Bars } from './bars';
import type { Face } from './faces';

/** What a row shows, and where. */
export interface RowProps extends Face {
  row: Row;
  index: number;
  /** Pixels below the first row. */
  top: number;
  selected: boolean;
  /** Whether it is the one row that the Tab key goes to. */
  active: boolean;
  /** Whether it is only there because of what is below it. */
  context: boolean;
}

function looksTheSame(one: RowProps, other: RowProps): boolean {
  return (
    one.index === other.index &&
    one.top === other.top &&
    one.name === other.name &&
    one.mark === other.mark &&
    one.title === other.title &&
    one.icon === other.icon &&
    one.status === other.status &&
    one.time === other.time &&
    one.tokens === other.tokens &&
    one.cost === other.cost &&
    one.selected === other.selected &&
    one.active === other.active &&
    one.context === other.context &&
    one.drawing.same === other.drawing.same &&
    one.row.key === other.row.key &&
    one.row.depth === other.row.depth &&
    one.row.place === other.row.place &&
    one.row.of === other.row.of &&
    one.row.expandable === other.row.expandable &&
    one.row.expanded === other.row.expanded
  );
}

function twisty(row: Row): string {
  if (!row.expandable) {
    return '';
  }
  return row.expanded ? '▾' : '▸';
}

function Name({ row, name, mark, title, icon }: RowProps): ReactElement {
  return (
    <div role="gridcell" className="jp-rlm-Row-name" title={title}>
      <span className="jp-rlm-Row-twisty" aria-hidden="true" data-can={row.expandable}>
        {twisty(row)}
      </span>
      <span className="jp-rlm-Row-icon" aria-hidden="true">
        {icon}
      </span>
      <bdi className="jp-rlm-Row-label jp-rlm-cut">{name}</bdi>
      {mark && <span className="jp-rlm-Row-mark">{mark}</span>}
    </div>
  );
}

/** A row for a span or for a group. */
export const RowView = memo(function RowView(props: RowProps): ReactElement {
  const { row, status, kind } = props;
  const style = {
    transform: `translateY(${props.top}px)`,
    '--jp-rlm-depth': Math.min(row.depth, 12)
  } as CSSProperties;
  return (
    <div
      role="row"
      className="jp-rlm-Row"
      style={style}
      data-key={row.key}
      data-span-id={row.type === 'span' ? row.span.id : undefined}
      data-kind={kind}
      data-status={status}
      data-context={props.context || undefined}
      aria-level={row.depth + 1}
      aria-posinset={row.place}
      aria-setsize={row.of}
      aria-rowindex={props.index + 2}
      aria-expanded={row.expandable ? row.expanded : undefined}
      aria-selected={props.selected}
      tabIndex={props.active ? 0 : -1}
    >
      <Name {...props} />
      <div role="gridcell" className="jp-rlm-Row-bars">
        <Bars drawing={props.drawing} kind={kind} status={status} />
      </div>
      {props.tokens !== null && (
        <>
          <div role="gridcell" className="jp-rlm-Row-time jp-rlm-num">
            {props.tokens}
          </div>
          <div role="gridcell" className="jp-rlm-Row-time jp-rlm-num">
            {props.cost}
          </div>
        </>
      )}
      <div role="gridcell" className="jp-rlm-Row-time jp-rlm-num">
        {props.time}
      </div>
    </div>
  );
}, looksTheSame);
