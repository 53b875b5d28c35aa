const IDLE_AFTER_MS = 60_000;

/**
 * Counts the seconds in which somebody works: between two ticks in sight of a page that they have touched lately.
 * `now` is a clock that is never set, as `performance.now`; a step back counts nothing all the same.
 */
export function makeActiveTime(now: () => number) {
  let seconds = 0;
  let lastInput = now();
  let lastTick = now();

  return {
    touch: () => {
      lastInput = now();
    },
    tick: (isVisible: boolean) => {
      const at = now();
      if (isVisible && at - lastInput < IDLE_AFTER_MS) seconds += Math.max(0, at - lastTick) / 1000;
      lastTick = at;
    },
    seconds: () => seconds,
    /** How long nobody has touched the page, in ms. */
    idleFor: () => now() - lastInput,
  };
}
