/** Which row of the tree the keyboard is at, also when rows come, go and scroll away. */
import type { FocusEvent, RefObject } from 'react';
import { useLayoutEffect, useMemo, useRef } from 'react';

import type { Row } from '../model/rows';

/** The row that the keyboard is at. */
export interface Roving {
  /** The index of the one row that can be focused; -1 when there are no rows. */
  active: number;
  onFocus: (event: FocusEvent) => void;
  onBlur: (event: FocusEvent) => void;
  /** Moves the focus to this row with the next rendering. */
  take: (key: string) => void;
}

interface Memory {
  /** The index of the active row in the last rendering. */
  active: number;
  /** The key of the row that has the focus; null when the focus is elsewhere. */
  focused: string | null;
  wanted: boolean;
  index: ReadonlyMap<string, number>;
}

/** Where each row is. */
export function useIndex(rows: readonly Row[]): ReadonlyMap<string, number> {
  return useMemo(() => new Map(rows.map((row, index) => [row.key, index])), [rows]);
}

/** Keeps the focus on its row for as long as the row is there, and then near where it was. */
export function useRoving(
  grid: RefObject<HTMLElement>,
  rows: readonly Row[],
  index: ReadonlyMap<string, number>,
  selected: string | null
): Roving {
  const memory = useRef<Memory>({ active: 0, focused: null, wanted: false, index });
  const { current } = memory;
  current.index = index;
  const key = current.focused ?? selected;
  const found = key === null ? undefined : index.get(key);
  const active = found ?? Math.min(current.active, rows.length - 1);
  useLayoutEffect(() => {
    current.active = Math.max(active, 0);
    const lost = current.focused !== null && document.activeElement === document.body;
    if (current.wanted || lost) {
      current.wanted = false;
      const row = grid.current?.querySelector<HTMLElement>('[role="row"][tabindex="0"]');
      row?.focus({ preventScroll: true });
    }
  });
  return {
    active,
    onFocus: event => {
      const row = (event.target as HTMLElement).closest<HTMLElement>('[data-key]');
      current.focused = row?.dataset.key ?? null;
    },
    onBlur: event => {
      // A row that is taken away loses the focus as well; that is not the user's doing.
      const isTaken = current.focused !== null && !current.index.has(current.focused);
      if (event.relatedTarget !== null || !isTaken) {
        current.focused = null;
      }
    },
    take: wanted => {
      current.focused = wanted;
      current.wanted = true;
    }
  };
}
