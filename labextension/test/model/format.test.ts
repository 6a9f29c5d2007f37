import { afterEach, describe, expect, it } from 'vitest';

import {
  clockTime,
  cost,
  count,
  dateTime,
  shortTime,
  money,
  seconds,
  setLocale,
  tick,
  tokens
} from '../../src/model/format';

const NONSENSE = [null, undefined, NaN, Infinity, -1, 'much' as never];

afterEach(() => setLocale('en'));

describe('numbers for people', () => {
  it.each([
    [0, '0'],
    [950, '950'],
    [999, '999'],
    [1000, '1.0k'],
    [41_200, '41.2k'],
    [999_949, '999.9k'],
    [999_950, '1.0M'],
    [1_340_000, '1.3M'],
    [5e9, '5.0B'],
    [1e12, '1,000.0B']
  ])('tokens: %d', (number, text) => expect(tokens(number)).toBe(text));

  it.each([
    [0, '$0.00'],
    [0.0000001, '<$0.000001'],
    [0.000001, '$0.0000010'],
    [0.00042, '$0.00042'],
    [0.0134, '$0.013'],
    [0.00999, '$0.010'],
    [0.0999, '$0.10'],
    [0.26, '$0.26'],
    [0.999, '$1.00'],
    [1.234, '$1.23'],
    [1234.5, '$1,234.50']
  ])('money: %d', (dollars, text) => expect(money(dollars)).toBe(text));

  it.each([
    [{ cost: 0, calls: 0, unpriced: 0 }, '–'],
    [{ cost: 0, calls: 0, unpriced: 0, cachedCalls: 3 }, '$0.00'],
    [{ cost: 0, calls: 2, unpriced: 0 }, '$0.00'],
    [{ cost: 0.0134, calls: 2, unpriced: 0 }, '$0.013'],
    [{ cost: 0.0134, calls: 2, unpriced: 1 }, '≥ $0.013'],
    [{ cost: 0, calls: 2, unpriced: 2 }, '–']
  ])('cost: %j', (usage, text) => expect(cost(usage)).toBe(text));

  it.each([
    [0, '0 ms'],
    [0.0004, '<1 ms'],
    [0.0041, '4 ms'],
    [0.9994, '999 ms'],
    [0.9996, '1.0 s'],
    [12.44, '12.4 s'],
    [99.94, '99.9 s'],
    [99.96, '1 min 40 s'],
    [125, '2 min 5 s'],
    [3599.7, '1 h 0 min'],
    [3720, '1 h 2 min'],
    [1e7, '2,777 h 46 min']
  ])('seconds: %d', (duration, text) => expect(seconds(duration)).toBe(text));

  it.each([
    [0, '0 s'],
    [0.002, '2 ms'],
    [0.5, '0.5 s'],
    [15, '15 s'],
    [60, '1 min'],
    [90, '1.5 min'],
    [3600, '1 h'],
    [86_400, '24 h'],
    [75, '1 min 15 s']
  ])('marks on a scale: %d', (duration, text) => expect(tick(duration)).toBe(text));

  it('counts have their thousands set apart', () => {
    expect([count(7), count(10_000)]).toEqual(['7', '10,000']);
  });

  it.each(NONSENSE)('what is not known is a dash: %s', value => {
    const all = [tokens, money, seconds, tick, count, clockTime, dateTime];
    expect(all.map(format => format(value))).toEqual(all.map(() => '–'));
  });

  it('times are those of the language', () => {
    expect(clockTime(1_700_000_000)).toMatch(/^\d{1,2}:\d\d:\d\d\s[AP]M$/);
    expect(dateTime(1_700_000_000)).toMatch(/^Nov 1\d, 2023, /);
    expect(clockTime(1e15)).toBe('–');
    expect(shortTime(1_700_000_000, 1_700_000_000)).toMatch(/^\d{1,2}:\d\d\s[AP]M$/);
    expect(shortTime(1_700_000_000, 1_800_000_000)).toMatch(/^11\/1\d\/23 \d{1,2}:\d\d\s[AP]M$/);
    expect(shortTime(null)).toBe('–');
  });

  it('follow the language of the page, and English where it is not known', () => {
    setLocale('de_DE');
    expect([tokens(41_200), money(1234.5), count(10_000)]).toEqual([
      '41,2k',
      '$1.234,50',
      '10.000'
    ]);
    expect(clockTime(1_700_000_000)).toMatch(/^\d\d:\d\d:\d\d$/);
    for (const language of ['xx', 'not a language', '']) {
      setLocale(language);
      expect(tokens(41_200)).toBe('41.2k');
    }
  });
});
