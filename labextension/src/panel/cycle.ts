/** F6: from one part of the panel to the next. */

const PARTS = ['runs', 'header', 'review', 'tools', 'tree', 'detail'];

const FOCUSABLE = [
  '[role="option"][tabindex="0"]',
  '[role="row"][tabindex="0"]',
  '[role="tab"][tabindex="0"]',
  'input:not(:disabled)',
  'textarea:not(:disabled)',
  'button:not(:disabled):not([tabindex="-1"])',
  '[tabindex="0"]'
].join(',');

/** Moves the focus to a part of the panel; returns whether there is something to focus. */
export function focusPart(view: HTMLElement, part: string): boolean {
  const node = view.querySelector<HTMLElement>(`[data-rlm-part="${part}"]`);
  const first = node?.querySelector<HTMLElement>(FOCUSABLE);
  first?.focus();
  return first !== null && first !== undefined;
}

/** Moves the focus to the next part that has something to focus, or to the one before (-1). */
export function cycle(view: HTMLElement, direction: 1 | -1): void {
  const here = document.activeElement?.closest<HTMLElement>('[data-rlm-part]');
  const from = here && view.contains(here) ? PARTS.indexOf(here.dataset.rlmPart ?? '') : -1;
  const start = from < 0 && direction < 0 ? 0 : from;
  for (let step = 1; step <= PARTS.length; step += 1) {
    const at = (start + direction * step + PARTS.length * 2) % PARTS.length;
    if (focusPart(view, PARTS[at])) {
      return;
    }
  }
}
