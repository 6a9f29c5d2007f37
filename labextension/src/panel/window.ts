/** Which rows of the tree are on the screen. */
import {
  defaultRangeExtractor,
  type Range,
  useVirtualizer,
  type Virtualizer
} from '@tanstack/react-virtual';
import { type RefObject, useCallback, useEffect, useRef } from 'react';

import type { PanelModel } from '../model/panel';
import type { Row } from '../model/rows';
import type { RunModel } from '../model/run';
import { type Roving, useIndex, useRoving } from './roving';

/** Pixels of a row. */
export const ROW = 24;

/** Pixels of the line above the rows, which stays. */
export const AXIS = 18;

function heightOf(): number {
  return ROW;
}

/** The rows, where the keyboard is, and which rows are made. */
export interface RowWindow {
  rows: readonly Row[];
  roving: Roving;
  virtualizer: Virtualizer<HTMLDivElement, Element>;
}

/** Makes the rows on the screen, and the one that has the focus wherever it is; scrolls to what is chosen. */
export function useRowWindow(
  model: PanelModel,
  run: RunModel,
  grid: RefObject<HTMLDivElement>
): RowWindow {
  const rows = model.rows();
  const index = useIndex(rows);
  const roving = useRoving(grid, rows, index, model.selected);
  const { active } = roving;
  // These stay the same while they can: with new ones the place of every row is worked out anew.
  const getItemKey = useCallback((row: number) => rows[row].key, [rows]);
  const rangeExtractor = useCallback(
    (range: Range) => {
      const shown = defaultRangeExtractor(range);
      const isMissing = active >= 0 && active < range.count && !shown.includes(active);
      return isMissing ? [...shown, active].sort((one, other) => one - other) : shown;
    },
    [active]
  );
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: useCallback(() => grid.current, [grid]),
    estimateSize: heightOf,
    getItemKey,
    overscan: 8,
    scrollMargin: AXIS,
    scrollPaddingStart: AXIS,
    rangeExtractor
  });
  const at = model.selected === null ? -1 : (index.get(model.selected) ?? -1);
  const follows = model.follow && run.state === 'live';
  // Rows that come above the chosen one must not pull the view along, unless it goes along with the run.
  const reason = follows ? at : at >= 0 && model.selected;
  const before = useRef({ follows, selected: model.selected });
  useEffect(() => {
    // Who scrolls away from what is chosen ends the following, and is not to be taken back there by that.
    const isLeft = before.current.follows && !follows && before.current.selected === model.selected;
    before.current = { follows, selected: model.selected };
    if (at >= 0 && !isLeft) {
      virtualizer.scrollToIndex(at, { align: 'auto' });
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [reason, follows, virtualizer]);
  return { rows, roving, virtualizer };
}
