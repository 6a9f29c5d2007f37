import { PageConfig } from '@jupyterlab/coreutils';
import { beforeEach, describe, expect, it } from 'vitest';

import { LINK_PATTERN, linkTo, readLink } from '../../src/notebook/links';

const RUN_ID = '0123456789abcdef0123456789abcdef';

function back(link: string): ReturnType<typeof readLink> {
  const { pathname, search } = new URL(link);
  expect(LINK_PATTERN.test(pathname + search)).toBe(true);
  return readLink(pathname, search);
}

describe('a link to a run', () => {
  beforeEach(() => {
    PageConfig.setOption('baseUrl', '/user/ann/');
    PageConfig.setOption('notebookPage', '');
  });

  it.each(['a.ipynb', 'below/two words & ü#?.ipynb'])('leads to a span in %s', notebook => {
    expect(back(linkTo(notebook, RUN_ID, 's12'))).toEqual({
      runId: RUN_ID,
      spanId: 's12',
      notebook
    });
  });

  it('leads to the run itself', () => {
    const link = linkTo('a.ipynb', RUN_ID, null);
    expect(new URL(link).pathname).toBe('/user/ann/lab/tree/a.ipynb');
    expect(back(link)).toEqual({ runId: RUN_ID, spanId: null, notebook: 'a.ipynb' });
  });

  it('leads to a run whose notebook was deleted', () => {
    expect(back(linkTo(null, RUN_ID, null))).toEqual({
      runId: RUN_ID,
      spanId: null,
      notebook: null
    });
  });

  it('stays in Notebook 7 when it is made there', () => {
    PageConfig.setOption('notebookPage', 'notebooks');
    const link = linkTo('below/a b.ipynb', RUN_ID, 's1');
    expect(new URL(link).pathname).toBe('/user/ann/notebooks/below/a%20b.ipynb');
    expect(back(link)?.notebook).toBe('below/a b.ipynb');
  });

  it.each([
    '',
    '?rlm=',
    '?rlm=short',
    `?rlm=${RUN_ID.toUpperCase()}`,
    `?rlm=${RUN_ID}:<b>`,
    `?rlm=${RUN_ID}:a:b`,
    `?other=${RUN_ID}`
  ])('is nothing else: %s', search => {
    expect(readLink('/lab', search)).toBeNull();
  });
});
