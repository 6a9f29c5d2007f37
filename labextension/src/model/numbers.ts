/** Ranges of whole numbers, both ends included, in ascending order: what of a run's events has not come. */

/** A range with both its ends. */
export type Range = readonly number[];

/** The numbers of `ranges` that are not in `others`. */
export function without(ranges: readonly Range[], others: readonly Range[]): [number, number][] {
  const left: [number, number][] = [];
  let at = 0;
  for (const [first, last] of ranges) {
    let from = first;
    while (at < others.length && others[at][1] < from) {
      at += 1;
    }
    for (let other = at; other < others.length && others[other][0] <= last; other += 1) {
      if (others[other][0] > from) {
        left.push([from, others[other][0] - 1]);
      }
      from = Math.max(from, others[other][1] + 1);
    }
    if (from <= last) {
      left.push([from, last]);
    }
  }
  return left;
}

/** The numbers of `ranges` that are below `end`. */
export function below(ranges: readonly Range[], end: number): [number, number][] {
  return without(ranges, [[end, Infinity]]);
}
