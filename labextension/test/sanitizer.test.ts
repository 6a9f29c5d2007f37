import { Sanitizer } from '@jupyterlab/apputils';
import { expect, test } from 'vitest';

import { ClosedSanitizer } from '../src/sanitizer';

const PIXEL = 'data:image/png;base64,iVBORw0KGgo=';

function left(html: string): string {
  return new ClosedSanitizer(new Sanitizer()).sanitize(html);
}

test('pictures that are there are shown; of others the address on the web is told, or what they are', () => {
  expect(left(`<img src="${PIXEL}">`)).toContain(PIXEL);
  expect(left('<img src="https://elsewhere.example/?secret">')).toBe(
    'https://elsewhere.example/?secret'
  );
  expect(left('<img src="https://elsewhere.example/" alt="A walrus">')).toBe('A walrus');
  expect(left('<img src="files/secret.png">')).toBe('');
  expect(left(`<img src="https://elsewhere.example/${'x'.repeat(1000)}">`)).toHaveLength(200);
});

test('where it is said, a picture that is not loaded is told of with its address', () => {
  const closed = new ClosedSanitizer(new Sanitizer(), address => `not loaded: ${address}`);
  expect(closed.sanitize('<img src="https://elsewhere.example/?secret" alt="A walrus">')).toBe(
    'A walrus [not loaded: https://elsewhere.example/?secret]'
  );
  expect(closed.sanitize(`<img src="${PIXEL}">`)).toContain(PIXEL);
});

test('nothing looks like a part of Lab, or stands in its place', () => {
  expect(left('<p class="jp-Dialog language-python" id="main">x</p>')).toBe(
    '<p class="language-python">x</p>'
  );
  expect(left('<p style="position: fixed; inset: 0; color: red">x</p>')).toMatch(
    /^<p style="color: ?red;?">x<\/p>$/
  );
  expect(left('<p style="background-color: url(https://elsewhere.example)">x</p>')).toBe(
    '<p>x</p>'
  );
  expect(
    left('<form action="/x"><label>a <input name="token"></label><button>Go</button></form>')
  ).toBe('a Go');
  expect(left('<video src="https://elsewhere.example/v" autoplay></video>')).toBe('');
});

test('the tasks of a list are done or not', () => {
  expect(left('<ul><li><input type="checkbox" checked disabled> a</li></ul>')).toContain('\u2611');
  expect(left('<ul><li><input type="checkbox" disabled> b</li></ul>')).toContain('\u2610');
});
