/** Time that passes on the screen while something runs. */
import { useEffect, useReducer } from 'react';

/** Milliseconds between two renderings: more than between two signals of a run, which then come first. */
const INTERVAL = 300;

/** The same for those who want less motion. */
const CALM = 1000;

/** Renders again a while after the last time, as long as something is under way and the page is visible. */
export function useTick(active: boolean, interval = INTERVAL): void {
  const [, advance] = useReducer((count: number) => count + 1, 0);
  // Whatever else renders it sets the timer anew, so that both together stay within the interval.
  useEffect(() => {
    if (!active) {
      return;
    }
    const isCalm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    const timer = setTimeout(
      () => {
        if (document.visibilityState === 'visible') {
          advance();
        }
      },
      isCalm ? Math.max(CALM, interval) : interval
    );
    const onVisible = (): void => advance();
    document.addEventListener('visibilitychange', onVisible);
    return () => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  });
}
