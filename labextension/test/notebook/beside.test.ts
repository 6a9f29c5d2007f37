import type { Contents } from '@jupyterlab/services';
import { expect, test, vi } from 'vitest';

import { folderOf, saveBeside } from '../../src/notebook/beside';

/** Lab's contents, with one folder that has these files. */
function folderOfFiles(names: readonly string[]): { contents: Contents.IManager; save: Saved } {
  const content = names.map(name => ({ name }));
  const save = vi.fn((path: string) => Promise.resolve({ path }));
  const get = vi.fn(() => Promise.resolve({ content }));
  return { contents: { get, save } as unknown as Contents.IManager, save };
}

type Saved = ReturnType<typeof vi.fn>;

test.each([
  ['under its own name', [], 'run.html', 'run.html'],
  ['under one with a number where that is taken', ['run.html'], 'run.html', 'run-1.html'],
  ['under the first number that is free', ['run.html', 'run-1.html'], 'run.html', 'run-2.html'],
  ['however the name is spelled', ['RUN.html'], 'run.html', 'run-1.html'],
  ['with all of its ending', ['a.trace.ipynb'], 'a.trace.ipynb', 'a-1.trace.ipynb'],
  ['without an ending', ['run'], 'run', 'run-1']
])('a file is saved %s', async (_, there, name, expected) => {
  const { contents, save } = folderOfFiles(there);
  const path = await saveBeside(contents, 'a folder', name, new Blob(['ä\u0000']));
  expect(path).toBe(`a folder/${expected}`);
  // The bytes, whatever text they may be.
  const file = { type: 'file', format: 'base64', content: 'w6QA' };
  expect(save.mock.calls).toEqual([[`a folder/${expected}`, file]]);
});

test.each([
  ['a/b/c.ipynb', 'a/b'],
  ['c.ipynb', '']
])('the folder of %s is %j', (path, folder) => {
  expect(folderOf(path)).toBe(folder);
});
