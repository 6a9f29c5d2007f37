/** What a row looks like, in words: worked out for the rows that are on the screen only. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Scale } from '../model/clock';
import * as format from '../model/format';
import { timeOfAll, usageOfAll } from '../model/groups';
import { groupName, iconOf, spanName } from '../model/names';
import type { Row } from '../model/rows';
import { type Span, totalTime } from '../model/span';
import { type Drawing, drawingOf } from './bars';

/** What a row shows that may change while it is shown. */
export interface Face {
  name: string;
  icon: string;
  kind: string;
  status: string;
  time: string;
  tokens: string | null;
  cost: string | null;
  drawing: Drawing;
}

const SIGNS: Record<string, string> = {
  run: '◎',
  child: '◎',
  model: '✦',
  compaction: '⇲',
  code: '›',
  subcall: '✧'
};

interface Named {
  status: string;
  name: string;
}

/** The names of spans, which change only when these end. */
export class Names {
  private readonly known = new WeakMap<Span, Named>();

  constructor(private readonly trans: TranslationBundle) {}

  /** The name of a span. */
  of(span: Span): string {
    let named = this.known.get(span);
    if (named?.status !== span.status) {
      named = { status: span.status, name: spanName(span, this.trans) };
      this.known.set(span, named);
    }
    return named.name;
  }

  /** The name of a row. */
  ofRow(row: Row): string {
    return row.type === 'span' ? this.of(row.span) : groupName(row.group, this.trans);
  }
}

function signOf(span: Span): string {
  if (span.status === 'error' && span.kind !== 'run' && span.kind !== 'iteration') {
    return '✕';
  }
  const payload = span.start.payload;
  return payload.kind === 'iteration' ? String(payload.number) : (SIGNS[iconOf(span)] ?? '');
}

function statusOf(row: Row): string {
  if (row.type === 'span') {
    return row.span.status;
  }
  if (row.group.failed) {
    return 'error';
  }
  return row.spans.some(span => span.status === 'running') ? 'running' : 'ok';
}

/** What a row looks like now. */
export function faceOf(row: Row, names: Names, scale: Scale, wide: boolean): Face {
  const now = scale.end;
  const usage = wide ? (row.type === 'span' ? row.span.usage : usageOfAll(row.spans)) : null;
  return {
    name: names.ofRow(row),
    icon: row.type === 'span' ? signOf(row.span) : '×',
    kind: row.type === 'span' ? row.span.kind : row.group.kind === 'run' ? 'run' : 'subcall',
    status: statusOf(row),
    time: format.seconds(
      row.type === 'span' ? totalTime(row.span, now) : timeOfAll(row.spans, now)
    ),
    tokens: usage && format.tokens(usage.inputTokens + usage.outputTokens),
    cost: usage && format.cost(usage),
    drawing: drawingOf(row, scale)
  };
}
