/** Lab's sanitizer, and nothing that fetches from elsewhere or commands Lab. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';

const FETCHING = ['src', 'srcset', 'poster', 'background', 'data-src'];
const COMMANDS = ['data-commandlinker-command', 'data-commandlinker-args'];

function isHere(address: string): boolean {
  return /^(data:image\/(png|jpeg|gif|webp)[;,]|attachment:)/i.test(address.trim());
}

function close(element: Element): void {
  if (element.localName === 'form') {
    // To send it, even to nowhere, is to leave Lab.
    element.replaceWith(...element.childNodes);
    return;
  }
  for (const name of COMMANDS) {
    element.removeAttribute(name);
  }
  for (const name of FETCHING) {
    const address = element.getAttribute(name);
    if (address !== null && !isHere(address)) {
      element.removeAttribute(name);
      if (name === 'src' && element.localName === 'img' && !element.getAttribute('alt')) {
        element.setAttribute('alt', address);
      }
    }
  }
  if (/url\s*\(|image\s*\(|\\/i.test(element.getAttribute('style') ?? '')) {
    element.removeAttribute('style');
  }
}

/**
 * A sanitizer for what a model wrote.
 *
 * What a model writes can be what somebody else told it to: a picture from elsewhere would carry away
 * what stands in its address as soon as it is shown. Lab's own sanitizer has the last word.
 */
export class ClosedSanitizer implements IRenderMime.ISanitizer {
  constructor(private readonly sanitizer: IRenderMime.ISanitizer) {}

  readonly allowNamedProperties = false;

  readonly allowCommandLinker = false;

  /** Lab makes links of data: addresses, too. */
  getAutolink(): boolean {
    return false;
  }

  sanitize(dirty: string, options?: IRenderMime.ISanitizerOptions): string {
    if (!dirty.includes('<')) {
      return this.sanitizer.sanitize(dirty, options);
    }
    // A document of this parser runs and fetches nothing.
    const inert = new DOMParser().parseFromString(`<!doctype html><body>${dirty}`, 'text/html');
    for (const element of inert.body.querySelectorAll('*')) {
      close(element);
    }
    return this.sanitizer.sanitize(inert.body.innerHTML, options);
  }
}
