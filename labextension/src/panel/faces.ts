/** What a row looks like, in words: worked out for the rows that are on the screen only. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Scale } from '../model/clock';
import * as format from '../model/format';
import { spanOfAll, usageOfAll } from '../model/groups';
import { hiddenIn, codePoint } from '../model/marks';
import {
  decisionOf,
  groupName,
  iconOf,
  isOutOfIterations,
  spanMark,
  spanName,
  tellingLine
} from '../model/names';
import type { Row } from '../model/rows';
import { type Span, totalTime } from '../model/span';
import { type Drawing, drawingOf } from './bars';

/** What a row shows that may change while it is shown. */
export interface Face {
  name: string;
  /** What stands after the name, however little room there is. */
  mark: string;
  /** The name with its mark, and which characters of it cannot be seen. */
  title: string;
  icon: string;
  kind: string;
  status: string;
  time: string;
  /** What it took, where there is room for it. */
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
  name: string;
  mark: string;
  title: string;
}

/** What a name is made of, as far as a model wrote it. */
function sourceOf(span: Span): string {
  const { payload } = span.start;
  const text = payload.kind === 'code' ? tellingLine(payload.code) : null;
  const source = payload.kind === 'run' ? payload.question : text;
  return typeof source === 'string' ? source.slice(0, 500) : '';
}

function namedOf(span: Span, trans: TranslationBundle): Named {
  const name = spanName(span, trans);
  const mark = spanMark(span, trans);
  const whole = [name, mark].filter(Boolean).join(' ');
  const hidden = new Set(
    [...hiddenIn(sourceOf(span))].map(({ character }) => codePoint(character))
  );
  const title =
    hidden.size > 0 ? `${whole}\n${trans.__('hidden: %1', [...hidden].join(' '))}` : whole;
  return { name, mark, title };
}

/** The names of spans, which change only when these end, or their replies begin to come. */
class Names {
  private readonly known = new WeakMap<Span, Named & { status: string; writes: boolean }>();

  constructor(private readonly trans: TranslationBundle) {}

  /** The name of a span. */
  of(span: Span): Named {
    let named = this.known.get(span);
    const writes = span.status === 'running' && span.text !== '';
    if (named?.status !== span.status || named.writes !== writes) {
      named = { status: span.status, writes, ...namedOf(span, this.trans) };
      this.known.set(span, named);
    }
    return named;
  }

  /** The name of a row. */
  ofRow(row: Row): Named {
    if (row.type === 'span') {
      return this.of(row.span);
    }
    const name = groupName(row.group, this.trans);
    return { name, mark: '', title: name };
  }
}

function signOf(span: Span): string {
  if (span.status === 'error' && span.kind !== 'run' && span.kind !== 'iteration') {
    return '✕';
  }
  const decision = decisionOf(span);
  if (decision !== null) {
    return decision === 'rejected' ? '⊘' : '✎';
  }
  const payload = span.start.payload;
  return payload.kind === 'iteration' ? String(payload.number) : (SIGNS[iconOf(span)] ?? '');
}

function statusOf(row: Row): string {
  if (row.type === 'span') {
    const isRejected = row.span.status === 'ok' && decisionOf(row.span) === 'rejected';
    return isRejected ? 'rejected' : isOutOfIterations(row.span) ? 'spent' : row.span.status;
  }
  if (row.group.failed) {
    return 'error';
  }
  return row.spans.some(span => span.status === 'running') ? 'running' : 'ok';
}

function faceOf(row: Row, names: Names, scale: Scale, wide: boolean): Face {
  const now = scale.end;
  const usage = wide ? (row.type === 'span' ? row.span.usage : usageOfAll(row.spans)) : null;
  const { name, mark, title } = names.ofRow(row);
  return {
    name,
    mark,
    title,
    icon: row.type === 'span' ? signOf(row.span) : '≡',
    kind: row.type === 'span' ? row.span.kind : row.group.kind === 'run' ? 'run' : 'subcall',
    status: statusOf(row),
    time: format.seconds(
      row.type === 'span' ? totalTime(row.span, now) : spanOfAll(row.spans, now)
    ),
    tokens: usage && format.tokens(usage.inputTokens + usage.outputTokens),
    cost: usage && format.cost(usage),
    drawing: drawingOf(row, scale)
  };
}

/** From how many spans on a row is costly to work out. */
const MANY = 500;

/** Milliseconds that a costly row stays as it is at most. */
const LONGEST = 1_000;

interface Kept {
  face: Face;
  wide: boolean;
  until: number;
}

/** What rows look like; those of many spans are worked out the less often, the more they are. */
export class Faces {
  private readonly names: Names;
  private readonly kept = new Map<string, Kept>();

  constructor(trans: TranslationBundle) {
    this.names = new Names(trans);
  }

  /** What a row looks like now, or a moment ago while the run is live. */
  of(row: Row, scale: Scale, wide: boolean, live: boolean): Face {
    if (!live || row.type === 'span' || row.spans.length < MANY) {
      return faceOf(row, this.names, scale, wide);
    }
    const now = performance.now();
    const before = this.kept.get(row.key);
    if (before !== undefined && before.wide === wide && now < before.until) {
      return before.face;
    }
    const face = faceOf(row, this.names, scale, wide);
    const until = now + Math.min(LONGEST, row.spans.length / 10);
    this.kept.set(row.key, { face, wide, until });
    return face;
  }
}
