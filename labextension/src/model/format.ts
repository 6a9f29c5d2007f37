/** What stands for a number that nobody knows. */
export const UNKNOWN = '–';

type Maybe = number | null | undefined;

let locale = 'en';
const formats = new Map<string, Intl.NumberFormat>();

/** Write numbers and times as this language does, such as `de` or `pt_BR`; of an unknown one as English does. */
export function setLocale(language: string): void {
  locale = supported(language.replace(/_/g, '-')).at(0) ?? 'en';
  formats.clear();
}

/** Return tokens for people: `950`, `41.2k`, `1.3M`. */
export function tokens(number: Maybe): string {
  if (!isCount(number)) {
    return UNKNOWN;
  }
  for (const [unit, size] of [
    ['', 1],
    ['k', 1e3],
    ['M', 1e6]
  ] as const) {
    // A number that would be rounded up to a thousand belongs to the next unit.
    if (number < 999.95 * size) {
      return size === 1 ? count(number) : `${fixed(number / size, 1)}${unit}`;
    }
  }
  return `${fixed(number / 1e9, 1)}B`;
}

/** Return US dollars for people: two digits that count below a dollar, cents from there on. */
export function money(dollars: Maybe): string {
  if (!isCount(dollars)) {
    return UNKNOWN;
  }
  if (dollars > 0 && dollars < 1e-6) {
    return `<$${fixed(1e-6, 6)}`;
  }
  const small = dollars > 0 && dollars < 1 ? 1 - Math.floor(Math.log10(dollars)) : 2;
  // 0.0999 becomes 0.10, not 0.100.
  const digits = Number(dollars.toFixed(small)) >= 10 ** (2 - small) ? small - 1 : small;
  return `$${fixed(dollars, Math.max(2, digits))}`;
}

/** What `cost` is told of calls. */
interface Spent {
  cost: number;
  calls: number;
  unpriced: number;
  cachedCalls?: number;
}

/**
 * Return what calls cost: the least that it was (`≥ $0.01`) when the price of some is not known, `–` when of none.
 *
 * Replies that came from a recording cost nothing.
 */
export function cost(usage: Spent): string {
  if (usage.calls === 0 && (usage.cachedCalls ?? 0) > 0) {
    return money(0);
  }
  if (usage.calls === 0 || (usage.cost === 0 && usage.unpriced > 0)) {
    return UNKNOWN;
  }
  return usage.unpriced > 0 ? `≥ ${money(usage.cost)}` : money(usage.cost);
}

/** Return a duration for people: `4 ms`, `12.4 s`, `2 min 5 s`, `1 h 2 min`. */
export function seconds(duration: Maybe): string {
  if (!isCount(duration)) {
    return UNKNOWN;
  }
  if (duration < 0.9995) {
    const milliseconds = Math.round(duration * 1000);
    return milliseconds === 0 && duration > 0 ? '<1 ms' : `${milliseconds} ms`;
  }
  if (duration < 99.95) {
    return `${fixed(duration, 1)} s`;
  }
  return long(duration);
}

/** Return a round duration for a scale, as short as it can be: `0 s`, `0.5 s`, `2 min`, `1 h`. */
export function tick(duration: Maybe): string {
  if (!isCount(duration)) {
    return UNKNOWN;
  }
  if (duration > 0 && duration < 0.1) {
    return `${shortest(duration * 1000)} ms`;
  }
  for (const [unit, size] of [
    ['h', 3600],
    ['min', 60]
  ] as const) {
    if (duration >= size && (duration * 2) % size === 0) {
      return `${shortest(duration / size)} ${unit}`;
    }
  }
  return duration >= 60 ? long(duration) : `${shortest(duration)} s`;
}

/** Return a moment, in seconds since the epoch, as the time of day. */
export function clockTime(moment: Maybe): string {
  return when(moment, { timeStyle: 'medium' });
}

/** Return a moment, in seconds since the epoch, as hours and minutes, with the date when that is not the one of `now`. */
export function shortTime(moment: Maybe, now = Date.now() / 1000): string {
  const day = when(moment, { dateStyle: 'short' });
  const time = when(moment, { timeStyle: 'short' });
  return day === when(now, { dateStyle: 'short' }) || time === UNKNOWN ? time : `${day} ${time}`;
}

/** Return a moment, in seconds since the epoch, as a date with the time of day. */
export function dateTime(moment: Maybe): string {
  return when(moment, { dateStyle: 'medium', timeStyle: 'medium' });
}

/** Return a whole number with its thousands set apart. */
export function count(number: Maybe): string {
  return isCount(number) ? fixed(number, 0) : UNKNOWN;
}

function when(moment: Maybe, options: Intl.DateTimeFormatOptions): string {
  const date = new Date(isCount(moment) ? moment * 1000 : NaN);
  return Number.isNaN(date.getTime())
    ? UNKNOWN
    : new Intl.DateTimeFormat(locale, options).format(date);
}

function long(duration: number): string {
  const whole = Math.round(duration);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${count(hours)} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}

function fixed(number: number, digits: number): string {
  return written(number, digits, digits);
}

function shortest(number: number): string {
  return written(number, 0, 3);
}

function written(number: number, least: number, most: number): string {
  const name = `${least} ${most}`;
  let format = formats.get(name);
  if (format === undefined) {
    format = new Intl.NumberFormat(locale, {
      minimumFractionDigits: least,
      maximumFractionDigits: most
    });
    formats.set(name, format);
  }
  return format.format(number);
}

function isCount(number: Maybe): number is number {
  return typeof number === 'number' && Number.isFinite(number) && number >= 0;
}

function supported(language: string): string[] {
  try {
    return Intl.NumberFormat.supportedLocalesOf(language);
  } catch (error) {
    if (error instanceof RangeError) {
      return [];
    }
    throw error;
  }
}
