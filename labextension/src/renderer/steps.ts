/** The spans of a run in a cell's output: rows that unfold, with bars on one clock. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { count, seconds } from '../model/format';
import type { InlineSpan } from './bundle';
import { element, foldable } from './elements';

/** From how many calls of one parent on they are one row. */
const GROUP = 8;

/** How deep rows are indented; what is deeper is indented no more. */
const DEEPEST = 24;

interface Scale {
  begin: number;
  length: number;
}

interface Step {
  span: InlineSpan;
  depth: number;
  children: Step[];
}

/** Return rows for the spans, which stand in the order in which they began. */
export function stepRows(
  spans: readonly InlineSpan[],
  leftOut: number,
  trans: TranslationBundle
): HTMLElement {
  const rows = element('div', 'jp-rlm-Inline-rows');
  const roots = stepsOf(spans);
  const scale = scaleOf(spans);
  for (const root of roots) {
    rows.append(...stepRow(root, scale, trans, true));
  }
  if (leftOut > 0) {
    rows.append(
      element(
        'div',
        'jp-rlm-Inline-faint',
        trans._n('… and %2 more', '… and %2 more', leftOut, count(leftOut))
      )
    );
  }
  return rows;
}

function stepsOf(spans: readonly InlineSpan[]): Step[] {
  const known = new Map<string, Step>();
  const roots: Step[] = [];
  for (const span of spans) {
    // A parent stands before what is in it. So nothing can contain itself, whoever wrote the notebook.
    const parent = span.parent !== null ? known.get(span.parent) : undefined;
    const depth = parent ? Math.min(parent.depth + 1, DEEPEST) : 0;
    const step: Step = { span, depth, children: [] };
    (parent?.children ?? roots).push(step);
    if (!known.has(span.id)) {
      known.set(span.id, step);
    }
  }
  return roots;
}

function scaleOf(spans: readonly InlineSpan[]): Scale {
  let begin = Infinity;
  let end = -Infinity;
  for (const span of spans) {
    begin = Math.min(begin, span.started);
    end = Math.max(end, span.ended ?? span.started);
  }
  return { begin, length: Math.max(end - begin, 1e-6) };
}

function stepRow(step: Step, scale: Scale, trans: TranslationBundle, open: boolean): HTMLElement[] {
  const { span, children } = step;
  const row = rowOf([span], span.name || span.kind, step.depth, scale);
  if (children.length === 0) {
    row.classList.add('jp-rlm-Inline-leaf');
    return [row];
  }
  const below = () => {
    const rows = element('div', 'jp-rlm-Inline-rows');
    rows.append(...childRows(step, scale, trans));
    return rows;
  };
  const details = foldable('jp-rlm-Inline-node', row, below);
  if (open) {
    details.append(below());
    details.open = true;
  }
  return [details];
}

function childRows(step: Step, scale: Scale, trans: TranslationBundle): HTMLElement[] {
  const alike = step.children.filter(
    child => child.span.kind === 'subcall' && child.span.status === 'ok' && !child.children.length
  );
  if (alike.length < GROUP) {
    return step.children.flatMap(child => stepRow(child, scale, trans, false));
  }
  const grouped = new Set(alike);
  const name = trans._n('%2 sub-call', '%2 sub-calls', alike.length, count(alike.length));
  const summary = rowOf(
    alike.map(child => child.span),
    name,
    alike[0].depth,
    scale
  );
  const group = foldable('jp-rlm-Inline-node', summary, () => {
    const rows = element('div', 'jp-rlm-Inline-rows');
    rows.append(...alike.flatMap(child => stepRow(child, scale, trans, false)));
    return rows;
  });
  const others = step.children.filter(child => !grouped.has(child));
  return [group, ...others.flatMap(child => stepRow(child, scale, trans, false))];
}

function rowOf(
  spans: readonly InlineSpan[],
  name: string,
  depth: number,
  scale: Scale
): HTMLElement {
  const { begin, length } = scaleOf(spans);
  const over = spans.every(span => span.ended !== null);
  const bar = element('span', 'jp-rlm-Inline-bar');
  bar.style.left = percent((begin - scale.begin) / scale.length);
  bar.style.width = percent(
    over ? length / scale.length : 1 - (begin - scale.begin) / scale.length
  );
  const row = element(
    'span',
    'jp-rlm-Inline-row',
    element('span', 'jp-rlm-Inline-name', name),
    element('span', 'jp-rlm-Inline-track', bar),
    element('span', 'jp-rlm-Inline-time', over ? seconds(length) : '–')
  );
  row.dataset.kind = spans[0].kind;
  row.dataset.status = spans[0].status ?? 'running';
  row.style.setProperty('--jp-rlm-depth', String(depth));
  row.title = name;
  return row;
}

function percent(share: number): string {
  return `${(Math.min(Math.max(share, 0), 1) * 100).toFixed(2)}%`;
}
