import { describe, expect, it } from 'vitest';

import { KernelClock, Scale } from '../../src/model/clock';
import { SpanTree } from '../../src/model/tree';
import { end, start } from './events';

describe('the scale of a waterfall', () => {
  it('reaches from the start of the run to now, and to its end once it has one', () => {
    const tree = new SpanTree();
    expect(Scale.of(tree.root, 7)).toMatchObject({ begin: 7, end: 7 });
    tree.take([start(0, 's1', null, 'run', {}, 100)]);
    expect(Scale.of(tree.root, 130)).toMatchObject({ begin: 100, end: 130, seconds: 30 });
    tree.take([end(1, 's1', 'run', 'ok', {}, 110)]);
    expect(Scale.of(tree.root, 130)).toMatchObject({ begin: 100, end: 110 });
  });

  it.each([
    [100, 0],
    [110, 0.5],
    [120, 1],
    [90, 0],
    [500, 1],
    [NaN, 0],
    [Infinity, 0]
  ])('puts %d at %d', (time, position) => {
    expect(new Scale(100, 120).position(time)).toBe(position);
  });

  it.each([
    [0, [0]],
    [0.0041, [0, 0.002, 0.004]],
    [0.3, [0, 0.1, 0.2, 0.3]],
    [1, [0, 0.5, 1]],
    [12.4, [0, 5, 10]],
    [25, [0, 10, 20]],
    [40, [0, 15, 30]],
    [100, [0, 60]],
    [200, [0, 120]],
    [650, [0, 300, 600]],
    [5000, [0, 1800, 3600]],
    [100_000, [0, 43_200, 86_400]],
    [500_000, [0, 172_800, 345_600]]
  ])('of %d seconds is marked at round times', (seconds, marked) => {
    const ticks = new Scale(1e9, 1e9 + seconds).ticks();
    expect(ticks.map(tick => tick.seconds)).toEqual(marked);
    for (const tick of ticks) {
      expect(tick.position).toBeCloseTo(seconds === 0 ? 0 : tick.seconds / seconds, 3);
    }
  });

  it.each([0, 1, 2, 3, 4, 6, 10])('has at most so many marks: %d', most => {
    for (let seconds = 1e-4; seconds < 1e8; seconds *= 1.37) {
      expect(new Scale(0, seconds).ticks(most).length).toBeLessThanOrEqual(Math.max(1, most));
    }
  });

  it.each([
    [NaN, 5],
    [5, NaN],
    [5, -5],
    [0, Infinity]
  ])('from %d to %d has no length, and harms nobody', (begin, to) => {
    const scale = new Scale(begin, to);
    expect(scale.position(3)).toBe(scale.seconds > 0 ? 0.6 : 0);
    expect(scale.ticks(5)[0]).toEqual({ position: 0, seconds: 0 });
  });
});

describe("the kernel's clock", () => {
  it("is the browser's until events say otherwise", () => {
    const clock = new KernelClock();
    expect(clock.now(50)).toBe(50);
    clock.heard(20, 50);
    expect(clock.now(51)).toBe(51);
  });

  it('is ahead when an event comes that has yet to happen', () => {
    const clock = new KernelClock();
    clock.heard(1000, 50);
    expect(clock.now(51)).toBe(1001);
  });

  it('is behind as far as live events say that it is', () => {
    const clock = new KernelClock();
    clock.heard(20, 50);
    clock.heard(39.5, 60);
    clock.heard(40.8, 61);
    clock.heard(41.0, 62);
    expect(clock.now(63)).toBeCloseTo(42.8);
  });

  it('heeds what is fetched after a break only when it is ahead', () => {
    const clock = new KernelClock();
    clock.heard(20, 50, false);
    clock.heard(30, 60, false);
    expect(clock.now(60)).toBe(60);
    clock.heard(75, 65, false);
    expect(clock.now(66)).toBe(76);
  });

  it('forgets what it was long ago', () => {
    const clock = new KernelClock();
    clock.heard(0, 0);
    clock.heard(1000, 1);
    for (let time = 1001; time < 1030; time++) {
      clock.heard(time, time);
    }
    expect(clock.now(1030)).toBe(1030);
  });

  it('is never before the last event, and heeds no nonsense', () => {
    const clock = new KernelClock();
    clock.heard(NaN, 5);
    clock.heard(5, NaN);
    expect(clock.now(3)).toBe(3);
    clock.heard(10, 20);
    clock.heard(11, 21);
    clock.heard(9, 0);
    expect(clock.now(21)).toBe(11);
    expect(clock.now(2)).toBe(11);
  });
});
