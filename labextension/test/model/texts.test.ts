import { afterEach, beforeEach, expect, test } from 'vitest';

import { Texts } from '../../src/model/texts';
import { stage, type Stage, until } from '../stage';

let it: Stage;
let texts: Texts;

beforeEach(async () => {
  it = await stage();
  texts = new Texts(it.api, 'r', 100);
});

afterEach(async () => {
  texts.dispose();
  await it.close();
});

function says(text: string): void {
  it.server.on('GET', 'runs/r/texts/*', ({ path }) => {
    const digest = path.split('/').at(-1)!;
    return { digest, size: text.length, text, cut: false };
  });
}

test('a text is fetched once, when it is looked at', async () => {
  says('hello');
  let changes = 0;
  texts.changed.connect(() => (changes += 1));
  expect(texts.get('sha256:a')).toBeUndefined();
  expect(texts.get('sha256:a')).toBeUndefined();
  await until(() => changes > 0);
  expect(texts.get('sha256:a')?.text).toBe('hello');
  expect(it.server.asked('GET', 'runs/r/texts/sha256:a')).toHaveLength(1);
  await expect(texts.whole('sha256:b')).resolves.toMatchObject({ text: 'hello' });
});

test('at most six are under way at a time, what was looked at last first', async () => {
  let underWay = 0;
  let most = 0;
  const order: string[] = [];
  const going: (() => void)[] = [];
  it.server.on('GET', 'runs/r/texts/*', async ({ path }) => {
    order.push(path.split(':').at(-1)!);
    most = Math.max(most, ++underWay);
    await new Promise<void>(resolve => going.push(resolve));
    underWay -= 1;
    return { digest: 'd', size: 1, text: 'x', cut: false };
  });
  const wholes = Array.from({ length: 10 }, (_, index) => texts.whole(`sha256:${index}`));
  await until(() => underWay === 6);
  const pump = setInterval(() => going.splice(0).forEach(go => go()), 1);
  await Promise.all(wholes);
  clearInterval(pump);
  expect(most).toBe(6);
  expect(order[6]).toBe('9');
});

test('what cannot be had is not asked for again, unless somebody wants that', async () => {
  it.server.on('GET', 'runs/r/texts/*', {
    status: 404,
    value: { message: 'This run has no such text.' }
  });
  texts.get('sha256:a');
  await until(() => texts.problem('sha256:a') !== undefined);
  expect(texts.get('sha256:a')).toBeUndefined();
  expect(texts.problem('sha256:a')).toMatchObject({
    status: 404,
    message: 'This run has no such text.'
  });
  expect(it.server.asked('GET', 'runs/r/texts/sha256:a')).toHaveLength(1);
  says('here now');
  texts.again('sha256:a');
  expect(texts.problem('sha256:a')).toBeUndefined();
  await until(() => texts.get('sha256:a') !== undefined);
  await expect(texts.whole('sha256:a')).resolves.toMatchObject({ text: 'here now' });
});

test('not more is kept than there is room for', async () => {
  says('x'.repeat(40));
  for (let number = 0; number < 20; number += 1) {
    await texts.whole(`sha256:${number}`);
  }
  expect(texts.size).toBeLessThanOrEqual(300);
  expect(texts.get('sha256:19')).toBeDefined();
  texts.dispose();
  expect(texts.size).toBe(0);
});
