/** What the keys do in the tree. */
import type { Row } from '../model/rows';

/** What a key asks for. */
export type KeyAction =
  | { do: 'go'; key: string }
  | { do: 'open'; key: string; open: boolean }
  | { do: 'siblings'; key: string }
  | { do: 'detail' }
  | { do: 'back' };

function go(rows: readonly Row[], index: number): KeyAction | null {
  const row = rows.at(Math.max(0, Math.min(rows.length - 1, index)));
  return row ? { do: 'go', key: row.key } : null;
}

function inward(rows: readonly Row[], at: number): KeyAction | null {
  const row = rows.at(at);
  if (!row?.expandable) {
    return null;
  }
  if (!row.expanded) {
    return { do: 'open', key: row.key, open: true };
  }
  return rows.at(at + 1)?.parent === row.key ? go(rows, at + 1) : null;
}

function outward(rows: readonly Row[], at: number): KeyAction | null {
  const row = rows.at(at);
  if (!row) {
    return null;
  }
  if (row.expandable && row.expanded) {
    return { do: 'open', key: row.key, open: false };
  }
  return row.parent === null ? null : { do: 'go', key: row.parent };
}

/** What a key does when the row at `at` has the focus and a page has `page` rows; null: nothing. */
export function keyAction(
  key: string,
  rows: readonly Row[],
  at: number,
  page: number
): KeyAction | null {
  switch (key) {
    case 'ArrowDown':
      return go(rows, at + 1);
    case 'ArrowUp':
      return go(rows, at - 1);
    case 'PageDown':
      return go(rows, at + page);
    case 'PageUp':
      return go(rows, at - page);
    case 'Home':
      return go(rows, 0);
    case 'End':
      return go(rows, rows.length - 1);
    case 'ArrowRight':
      return inward(rows, at);
    case 'ArrowLeft':
      return outward(rows, at);
    case '*':
      return rows.length > 0 ? { do: 'siblings', key: rows[at].key } : null;
    case 'Enter':
    case ' ':
      return rows.length > 0 ? { do: 'detail' } : null;
    case 'Escape':
      return { do: 'back' };
    default:
      return null;
  }
}
