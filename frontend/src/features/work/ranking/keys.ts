/** Digits by their place on the keyboard, as keys are named. */
export const digits = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `Digit${from + index}`);
