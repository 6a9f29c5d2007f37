import { describe, expect, it, vi } from 'vitest';

import { LIVE_MIME_TYPE } from '../../src/tokens';
import { addPanel, hasLink, output, RUN_ID } from './outputs';

function progress(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const state = { version: 1, run_id: RUN_ID, status: null, lines: ['iteration 1'], tail: '' };
  return { [LIVE_MIME_TYPE]: { ...state, ...changes }, 'text/plain': 'in\nplain text' };
}

describe('a run under way in the output of its cell', () => {
  it('tells how far it is, and changes nothing but what is different', async () => {
    const { node, show } = output(LIVE_MIME_TYPE, vi.fn());
    await show(progress({ lines: ['m · iteration 1', 'one', 'two'], tail: 'I look' }));
    expect(node.textContent).toBe('m · iteration 1Open in the panelonetwoI look');
    const before = [...node.querySelectorAll('*')];
    await show(progress({ lines: ['m · iteration 2', 'one', 'two'], tail: 'I look <b>on</b>' }));
    expect([...node.querySelectorAll('*')]).toEqual(before);
    expect(node.textContent).toBe('m · iteration 2Open in the panelonetwoI look <b>on</b>');
    await show(progress({ status: 'ok', lines: ['answered'] }));
    expect(node.querySelector('.jp-rlm-Inline-facts')?.textContent).toBe('answered');
    expect(hasLink(node)).toBe(false);
    expect(node.querySelector('[data-status]')).toHaveProperty('dataset.status', 'ok');
  });

  it('keeps the focus on its link while it goes on', async () => {
    const { node, show } = output(LIVE_MIME_TYPE, vi.fn());
    await show(progress());
    node.querySelector('button')!.focus();
    await show(progress({ lines: ['iteration 2'] }));
    expect(document.activeElement).toBe(node.querySelector('button'));
  });

  it('has a link as soon as the run has begun, and where there is a panel', async () => {
    const openRun = vi.fn();
    const { node, show } = output(LIVE_MIME_TYPE, openRun);
    await show(progress({ run_id: '' }));
    expect(hasLink(node)).toBe(false);
    await show(progress());
    node.querySelector('button')!.click();
    expect(openRun).toHaveBeenCalledExactlyOnceWith(RUN_ID);
    const alone = output(LIVE_MIME_TYPE);
    await alone.show(progress());
    expect(hasLink(alone.node)).toBe(false);
    addPanel(alone.commands, openRun);
    expect(hasLink(alone.node)).toBe(true);
  });

  it('leaves to the result below what that tells, when the run answered', async () => {
    const { node, show } = output(LIVE_MIME_TYPE);
    const standing = (): boolean[] =>
      ['jp-rlm-mod-answered', 'jp-rlm-mod-bare'].map(name => node.classList.contains(name));
    await show(progress());
    expect(standing()).toEqual([false, true]);
    await show(progress({ status: 'ok', lines: ['answered', 'In the notebook: created x'] }));
    expect(standing()).toEqual([true, false]);
    await show(progress({ status: 'ok', lines: ['answered'] }));
    expect(standing()).toEqual([true, true]);
    await show(progress({ status: 'error', lines: ['failed'] }));
    expect(standing()).toEqual([false, true]);
  });

  it('shows the plain text of what a later version wrote', async () => {
    const { node, show } = output(LIVE_MIME_TYPE);
    await show(progress({ version: 2 }));
    expect(node.textContent).toContain('plain text');
  });
});
