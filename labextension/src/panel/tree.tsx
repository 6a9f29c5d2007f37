/** The spans of a run as a tree, with the waterfall beside it; only the rows on the screen are made. */
import { type KeyboardEvent, type MouseEvent, type ReactElement, useMemo, useRef } from 'react';
import { flushSync } from 'react-dom';

import { Scale } from '../model/clock';
import { isFiltering, matches } from '../model/filter';
import type { PanelModel } from '../model/panel';
import type { Row } from '../model/rows';
import type { RunModel } from '../model/run';
import { Axis } from './bars';
import { Button } from './button';
import { Faces } from './faces';
import { type KeyAction, keyAction } from './keys';
import type { Roving } from './roving';
import { RowView } from './row';
import { useSurroundings } from './surroundings';
import { useTick } from './tick';
import { AXIS, ROW, useRowWindow } from './window';

interface TreeProps {
  model: PanelModel;
  run: RunModel;
  wide: boolean;
  visible: boolean;
  onDetail: () => void;
  onBack: () => void;
}

function keyOf(target: EventTarget): string | null {
  return (target as Element).closest<HTMLElement>('[data-key]')?.dataset.key ?? null;
}

function siblings(rows: readonly Row[], key: string): Row[] {
  const parent = rows.find(row => row.key === key)?.parent;
  return rows.filter(row => row.parent === parent && row.expandable && !row.expanded);
}

function act(action: KeyAction, rows: readonly Row[], roving: Roving, props: TreeProps): void {
  const { model } = props;
  switch (action.do) {
    case 'go':
      roving.take(action.key);
      model.selectRow(action.key);
      break;
    case 'open':
      roving.take(action.key);
      model.selectRow(action.key);
      model.toggle(action.key, action.open);
      break;
    case 'siblings':
      siblings(rows, action.key).forEach(row => model.toggle(row.key, true));
      break;
    case 'detail':
      // The detail must be there before the focus goes to it.
      flushSync(() => model.selectRow(rows[roving.active].key));
      props.onDetail();
      break;
    case 'back':
      props.onBack();
  }
}

function onKey(
  event: KeyboardEvent<HTMLDivElement>,
  rows: readonly Row[],
  roving: Roving,
  props: TreeProps
): void {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const page = Math.max(1, Math.floor(event.currentTarget.clientHeight / ROW) - 2);
  const action = keyAction(event.key, rows, roving.active, page);
  if (action) {
    event.preventDefault();
    event.stopPropagation();
    act(action, rows, roving, props);
  }
}

function onClick(event: MouseEvent, model: PanelModel): void {
  const key = keyOf(event.target);
  if (key === null) {
    return;
  }
  if ((event.target as Element).closest('.jp-rlm-Row-twisty[data-can="true"]')) {
    model.toggle(key);
  } else {
    model.selectRow(key);
  }
}

/** What stands in the place of the rows when the filter leaves none. */
function NoRows({ model }: { model: PanelModel }): ReactElement {
  const { trans } = useSurroundings();
  const clear = (): void => {
    model.setQuery('');
    model.setFilter({ kinds: null, statuses: null, models: null });
  };
  return (
    <div className="jp-rlm-Tree jp-rlm-Tree-none" data-rlm-part="tree">
      <p className="jp-rlm-dim">{trans.__('Nothing in this run matches the filter.')}</p>
      <Button label={trans.__('Clear the filter')} onClick={clear} />
    </div>
  );
}

/** The treegrid: arrow keys go through it, right and left open and close, Enter goes to the detail. */
export function Tree(props: TreeProps): ReactElement {
  const { model, run, wide } = props;
  const { trans } = useSurroundings();
  const grid = useRef<HTMLDivElement>(null);
  const faces = useMemo(() => new Faces(trans), [trans]);
  useTick(props.visible && run.state === 'live');
  const { rows, roving, virtualizer } = useRowWindow(model, run, grid);
  const scale = Scale.of(run.tree.root, run.now());
  if (rows.length === 0 && isFiltering(model.filter)) {
    return <NoRows model={model} />;
  }
  return (
    <div
      ref={grid}
      role="treegrid"
      aria-label={trans.__('Spans')}
      aria-rowcount={rows.length + 1}
      tabIndex={-1}
      className="jp-rlm-Tree"
      data-wide={wide}
      data-rlm-part="tree"
      onKeyDown={event => onKey(event, rows, roving, props)}
      onClick={event => onClick(event, model)}
      onDoubleClick={event => {
        const key = keyOf(event.target);
        if (key !== null) {
          model.toggle(key);
        }
      }}
      onFocus={roving.onFocus}
      onBlur={roving.onBlur}
      // Who scrolls wants to look at something else.
      onWheel={() => model.setFollow(false)}
      onTouchMove={() => model.setFollow(false)}
      onPointerDown={event => event.target === event.currentTarget && model.setFollow(false)}
    >
      <Axis scale={scale} wide={wide} />
      <div role="rowgroup" className="jp-rlm-Rows" style={{ height: virtualizer.getTotalSize() }}>
        {virtualizer.getVirtualItems().map(item => {
          const row = rows[item.index];
          return (
            <RowView
              key={row.key}
              row={row}
              index={item.index}
              top={item.start - AXIS}
              selected={row.key === model.selected}
              active={item.index === roving.active}
              context={row.type === 'span' && !matches(row.span, model.filter)}
              {...faces.of(row, scale, wide, run.state === 'live')}
            />
          );
        })}
      </div>
    </div>
  );
}
