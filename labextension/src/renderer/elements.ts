/** Elements of a cell's output; what they say is text, whatever it holds. */

/** Return an element of a class with children; strings become text. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  if (className) {
    made.className = className;
  }
  made.append(...children);
  return made;
}

/** Return a button that looks like a link and does something. */
export function linkButton(label: string, act: () => void): HTMLButtonElement {
  const button = element('button', 'jp-rlm-Inline-link', label);
  button.type = 'button';
  button.addEventListener('click', act);
  return button;
}

/** Return what unfolds; its content is made when it is opened for the first time. */
export function foldable(
  className: string,
  summary: Node | string,
  content: () => Node
): HTMLDetailsElement {
  const details = element('details', className, element('summary', '', summary));
  const fill = () => {
    if (details.open && details.childElementCount === 1) {
      details.append(content());
    }
  };
  details.addEventListener('toggle', fill);
  return details;
}
