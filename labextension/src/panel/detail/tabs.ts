/** Which tabs a span has. */
import type { Tab } from '../../model/panel';
import type { Span } from '../../model/span';
import { changesOf, inputsOf } from './block';
import { changed } from './variables';

/** The tabs in their order. */
export const TABS: readonly Tab[] = ['reply', 'code', 'output', 'messages', 'variables', 'raw'];

/** The model call of an iteration that replied to the user, or else the last one. */
export function callOf(iteration: Span): Span | undefined {
  return iteration.children.filter(child => child.kind === 'model_call').at(-1);
}

/** The code blocks of an iteration. */
export function blocksOf(iteration: Span): Span[] {
  return iteration.children.filter(child => child.kind === 'code');
}

function blocksHave(iteration: Span): Tab[] {
  const blocks = blocksOf(iteration);
  const tabs: Tab[] = blocks.length > 0 ? ['code', 'output'] : [];
  const isTold = (block: Span): boolean =>
    changed(changesOf(block)) > 0 || inputsOf(block).length > 0;
  return blocks.some(isTold) ? [...tabs, 'variables'] : tabs;
}

/** The tabs that a span has something for. */
export function tabsOf(span: Span): Tab[] {
  const has: Tab[] = ['raw'];
  switch (span.kind) {
    case 'run':
      has.push('reply');
      if (changed(changesOf(span)) > 0) {
        has.push('variables');
      }
      break;
    case 'iteration':
      has.push('reply', ...blocksHave(span));
      if (callOf(span)) {
        has.push('messages');
      }
      break;
    case 'code':
      has.push('code', 'output', 'variables');
      break;
    default:
      has.push('reply', 'messages');
  }
  return TABS.filter(tab => has.includes(tab));
}
