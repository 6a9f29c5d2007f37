/** What is left of HTML that a model wrote, or somebody who sent a notebook: in the panel as in a cell's output. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';

const FETCHING = ['src', 'srcset', 'poster', 'background', 'data-src'];
const COMMANDS = ['data-commandlinker-command', 'data-commandlinker-args'];
const NAMES = ['id', 'name'];

/** Elements that ask for something, or of which nothing is left without what they would fetch. */
const CONTROLS = 'form, input, button, select, textarea, option, optgroup, label, fieldset';
const MEDIA = 'video, audio, source, track, map, area';

/** What may be set of how a text looks: nothing that moves it, covers something or fetches. */
const STYLES = ['color', 'background-color', 'font-weight', 'font-style', 'text-align'];

/** The classes that Lab's highlighter of code uses, and tables of data frames. */
const KEPT_CLASS = /^(?:language-[\w+#-]+|cm-[\w-]+|\u037c[0-9a-z]+|dataframe)$/i;

/** Characters of an address that is shown in the place of its picture. */
const LONGEST_ADDRESS = 200;

/** Lab 4.2 knows fewer of these. */
interface Policy extends IRenderMime.ISanitizer {
  readonly allowNamedProperties: boolean;
  readonly allowCommandLinker: boolean;
}

/**
 * A sanitizer for what a model wrote.
 *
 * What a model writes can be what somebody else told it to: a picture from elsewhere would carry away what stands in
 * its address as soon as it is shown, and with Lab's own classes a text could look like a part of Lab. Lab's sanitizer
 * has the last word.
 */
export class ClosedSanitizer implements Policy {
  /** `sanitizer` is Lab's; `withheld` says of a picture that it is not loaded, where that is to be said. */
  constructor(
    private readonly sanitizer: IRenderMime.ISanitizer,
    private readonly withheld: ((address: string) => string) | null = null
  ) {}

  /** Names and ids could stand in the way of Lab's own. */
  readonly allowNamedProperties = false;

  /** A text does not call Lab's commands. */
  readonly allowCommandLinker = false;

  /** Lab makes links of data: addresses, too. */
  getAutolink(): boolean {
    return false;
  }

  /** Return what can be shown of HTML. */
  sanitize(dirty: string, options?: IRenderMime.ISanitizerOptions): string {
    if (!dirty.includes('<')) {
      return this.sanitizer.sanitize(dirty, options);
    }
    // A document of this parser runs and fetches nothing.
    const { body } = new DOMParser().parseFromString(`<!doctype html><body>${dirty}`, 'text/html');
    body.querySelectorAll(MEDIA).forEach(element => element.remove());
    body.querySelectorAll<HTMLInputElement>('[type="checkbox" i]').forEach(closeBox);
    body.querySelectorAll(CONTROLS).forEach(element => element.replaceWith(...element.childNodes));
    body.querySelectorAll('img').forEach(image => closeImage(image, this.withheld));
    body.querySelectorAll('*').forEach(close);
    return this.sanitizer.sanitize(body.innerHTML, options);
  }
}

function isHere(address: string): boolean {
  return /^(data:image\/(png|jpeg|gif|webp)[;,]|attachment:)/i.test(address.trim());
}

/** The tasks of a list are done or not, and stay that. */
function closeBox(box: HTMLInputElement): void {
  box.replaceWith(box.hasAttribute('checked') ? '\u2611 ' : '\u2610 ');
}

/** A picture that would be fetched becomes its text, or the address that it has on the web. */
function closeImage(image: HTMLImageElement, withheld: ((address: string) => string) | null): void {
  const address = image.getAttribute('src') ?? '';
  if (isHere(address)) {
    return;
  }
  const onWeb = /^https?:\/\//i.test(address.trim());
  const cut = address.length > LONGEST_ADDRESS;
  const shown = cut ? `${address.slice(0, LONGEST_ADDRESS - 1)}…` : address;
  const alt = image.getAttribute('alt') ?? '';
  if (withheld !== null) {
    image.replaceWith([alt, `[${withheld(shown)}]`].filter(Boolean).join(' '));
    return;
  }
  image.replaceWith(alt || (onWeb ? shown : ''));
}

function close(element: Element): void {
  for (const name of [...COMMANDS, ...NAMES]) {
    element.removeAttribute(name);
  }
  for (const name of FETCHING) {
    const address = element.getAttribute(name);
    if (address !== null && !isHere(address)) {
      element.removeAttribute(name);
    }
  }
  keepClasses(element);
  keepStyles(element);
}

function keepClasses(element: Element): void {
  const kept = [...element.classList].filter(name => KEPT_CLASS.test(name));
  if (kept.length > 0) {
    element.setAttribute('class', kept.join(' '));
  } else {
    element.removeAttribute('class');
  }
}

function keepStyles(element: Element): void {
  if (!element.hasAttribute('style')) {
    return;
  }
  const { style } = element as HTMLElement;
  const kept = STYLES.flatMap(name => {
    const value = style?.getPropertyValue(name) ?? '';
    return value && !/[(\\]/.test(value.replace(/^rgba?\(/, '')) ? [`${name}: ${value}`] : [];
  });
  if (kept.length > 0) {
    element.setAttribute('style', kept.join('; '));
  } else {
    element.removeAttribute('style');
  }
}
