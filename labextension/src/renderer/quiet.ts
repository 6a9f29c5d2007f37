/** Lab's sanitizer, and what it lets through but a model's text has no business with: forms, images, styles, classes. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';

const BLOCKS = [
  'p',
  'div',
  'pre',
  'blockquote',
  'ul',
  'ol',
  'li',
  'hr',
  'br',
  'details',
  'summary'
];
const HEADINGS = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6'];
const TABLES = ['table', 'thead', 'tbody', 'tr', 'th', 'td'];
const WORDS = [
  'a',
  'b',
  'strong',
  'i',
  'em',
  'del',
  's',
  'code',
  'kbd',
  'sub',
  'sup',
  'span',
  'mark'
];

const ALLOWED: IRenderMime.ISanitizerOptions = {
  allowedTags: [...BLOCKS, ...HEADINGS, ...TABLES, ...WORDS],
  allowedAttributes: {
    a: ['href', 'title'],
    ol: ['start'],
    code: ['class'],
    span: ['class'],
    td: ['align', 'colspan', 'rowspan'],
    th: ['align', 'colspan', 'rowspan']
  }
};

/** The classes that Lab's highlighter of code uses. */
const CODE_CLASS = /^(?:language-[\w+#-]+|cm-[\w-]+|\u037c[0-9a-z]+)$/i;

/** Return a sanitizer that loads nothing, and that no text can use to cover or to imitate a part of Lab. */
export function quietSanitizer(sanitizer: IRenderMime.ISanitizer): IRenderMime.ISanitizer {
  return {
    allowNamedProperties: false,
    allowCommandLinker: false,
    getAutolink: () => false,
    sanitize: (dirty, options) =>
      withoutClasses(sanitizer.sanitize(dirty, { ...options, ...ALLOWED }))
  };
}

function withoutClasses(html: string): string {
  // A document of its own: what stands in it loads nothing and runs nothing.
  const { body } = new DOMParser().parseFromString(html, 'text/html');
  for (const styled of body.querySelectorAll('[class]')) {
    const kept = [...styled.classList].filter(name => CODE_CLASS.test(name));
    if (kept.length > 0) {
      styled.className = kept.join(' ');
    } else {
      styled.removeAttribute('class');
    }
  }
  return body.innerHTML;
}
