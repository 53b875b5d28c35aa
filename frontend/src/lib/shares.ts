const PART = /(^|[_/])(rate|accuracy|accuracies|share|fraction|frac|clipfrac|mfu)($|[_/])/;

/** Whether a metric of this name is a share of a whole, to be read in percent; a learning rate is none. */
export function isShare(name: string): boolean {
  return PART.test(name) && !name.includes("learning");
}
