import type { TranslationBundle } from '@jupyterlab/translation';

import { count } from './format';
import type { Group } from './groups';
import { seenLine } from './marks';
import { plainLine } from './plain';
import type { Span } from './span';

/** What a row's icon shows. */
export type SpanIcon = 'run' | 'child' | 'iteration' | 'model' | 'compaction' | 'code' | 'subcall';

/** How many lines of code are looked through for one that says something. */
const LINES_READ = 200;

/** Return what the rows call a span: one line of at most 80 characters or little more, all of them visible. */
export function spanName(span: Span, trans: TranslationBundle): string {
  const payload = span.start.payload;
  switch (payload.kind) {
    case 'run':
      return span.depth === 0 ? trans.__('run') : childName(span, payload.question);
    case 'iteration':
      return iterationName(span, payload.number, payload.closing, trans);
    case 'model_call': {
      const model = plainLine(payload.model) || trans.__('model');
      return payload.purpose === 'compaction' ? trans.__('%1 · summing up', model) : model;
    }
    case 'code':
      return seenLine(tellingLine(payload.code)) || trans.__('empty code');
    case 'subcall':
      return withError(slotName('llm_query', span, plainLine(payload.model, 40)), span);
  }
}

/** Return what the user decided about a code block that did not run as it was; null for everything else. */
export function decisionOf(span: Span): 'rejected' | 'edited' | null {
  const payload = span.start.payload;
  const review = payload.kind === 'code' ? payload.review : null;
  return review === 'rejected' || review === 'edited' ? review : null;
}

/** Return whether a span is a call whose reply came from a recording. */
export function isCached(span: Span): boolean {
  const payload = span.end?.payload as { cached?: unknown } | null | undefined;
  return payload?.cached === true;
}

/** Return what stands after the name of a span, however little room there is for that; empty as a rule. */
export function spanMark(span: Span, trans: TranslationBundle): string {
  if (isCached(span)) {
    return trans.__('· cached');
  }
  if (span.status === 'running' && span.text !== '') {
    return trans.__('· writing …');
  }
  switch (decisionOf(span)) {
    case 'rejected':
      return trans.__('· rejected');
    case 'edited':
      return trans.__('· edited');
    default:
      return '';
  }
}

/** Return whether a run answered only because its iterations were used up, and it was asked for what it had. */
export function isOutOfIterations(run: Span): boolean {
  if (run.kind !== 'run' || run.status !== 'ok') {
    return false;
  }
  const last = run.children.filter(child => child.kind === 'iteration').at(-1)?.start.payload;
  return last?.kind === 'iteration' && last.closing;
}

/** Return what the row of a group says: how many, and of what. */
export function groupName(group: Group, trans: TranslationBundle): string {
  const number = count(group.spans.length);
  const what = group.kind === 'run' ? 'rlm_query' : 'llm_query';
  return group.failed
    ? trans.__('%1 %2 failed', number, what)
    : trans._p('how many calls of what', '%1 %2', number, what);
}

/** Return which icon a span has. */
export function iconOf(span: Span): SpanIcon {
  const payload = span.start.payload;
  switch (payload.kind) {
    case 'run':
      return span.depth === 0 ? 'run' : 'child';
    case 'model_call':
      return payload.purpose === 'compaction' ? 'compaction' : 'model';
    default:
      return payload.kind;
  }
}

/** Return the first line of code that is neither blank nor an import nor a comment, or else the first of any sort. */
export function tellingLine(code: unknown): string {
  if (typeof code !== 'string') {
    return '';
  }
  let fallback = '';
  let bracket = false;
  let from = 0;
  for (let lines = 0; lines < LINES_READ && from <= code.length; lines++) {
    const end = code.indexOf('\n', from);
    const line = code.slice(from, Math.min(end < 0 ? code.length : end, from + 1000)).trim();
    from = end < 0 ? code.length + 1 : end + 1;
    const isImport = bracket || /^(import|from)\s/.test(line);
    if (isImport) {
      // An import goes on until its bracket closes.
      bracket = bracket ? !line.includes(')') : line.includes('(') && !line.includes(')');
    }
    if (line !== '' && !isImport && !line.startsWith('#')) {
      return line;
    }
    fallback = betterFallback(fallback, line);
  }
  return fallback;
}

function betterFallback(known: string, line: string): string {
  // An import says more than a comment does.
  const isBetter = known === '' || (known.startsWith('#') && !line.startsWith('#'));
  return isBetter && line !== '' ? line : known;
}

function childName(span: Span, question: unknown): string {
  const name = slotName('rlm_query', span, '');
  const asked = seenLine(question);
  return withError(asked === '' ? name : `${name} · ${asked}`, span);
}

function slotName(name: string, span: Span, otherwise: string): string {
  // Numbered as the code counts: the reply of #57 is replies[57].
  const which = span.index !== null ? `#${span.index}` : '';
  return which !== '' ? `${name} ${which}` : otherwise !== '' ? `${name} · ${otherwise}` : name;
}

function withError(name: string, span: Span): string {
  if (span.status !== 'error' || span.kind !== 'subcall') {
    return name;
  }
  const why = plainLine(statusFirst(span.error?.message), 40) || plainLine(span.error?.name, 40);
  return why === '' ? name : `${name}: ${why}`;
}

/** Return what a server answered with its status first: which server it was is seldom news. */
function statusFirst(message: unknown): unknown {
  const answered =
    typeof message === 'string' ? /^\S+ answered (\d{3})\b:?\s*/.exec(message) : null;
  return answered === null
    ? message
    : `${answered[1]} ${answered.input.slice(answered[0].length, 1000)}`;
}

function iterationName(
  span: Span,
  number: unknown,
  closing: boolean,
  trans: TranslationBundle
): string {
  const which = typeof number === 'number' ? count(number) : '?';
  const end = span.end?.payload;
  if (closing) {
    return trans.__('Iteration %1 · final answer asked for', which);
  }
  if (end?.kind === 'iteration' && end.answered) {
    return trans.__('Iteration %1 · answered', which);
  }
  if (end?.kind === 'iteration' && typeof end.rejected === 'string' && end.rejected !== '') {
    return trans.__('Iteration %1 · answer refused', which);
  }
  return trans.__('Iteration %1', which);
}
