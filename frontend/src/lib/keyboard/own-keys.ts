/** A person's own keys in place of ours; they hold on every page, and come with the account. */
let own: Record<string, string> = {};

export function setOwnKeys(stored: Record<string, string>): void {
  own = readOwnKeys(stored);
}

/** The key that does this person what the pages call `keys`. */
export function ownKey(keys: string): string {
  return own[keys] ?? keys;
}

/** The same for aria-keyshortcuts. */
export function ariaKey(keys: string): string {
  return ownKey(keys).toUpperCase();
}

/**
 * Every single key that can be changed, and what it does; the same key does the same kind of thing on each page.
 * E writes where there are no completions, or only A and B.
 */
export const SINGLE_KEYS = [
  { key: "/", label: "palette.title" },
  { key: "?", label: "keys.help" },
  { key: "s", label: "work.skip" },
  { key: "r", label: "remark.title" },
  { key: "q", label: "guidelines.toggle" },
  { key: "j", label: "ranking.keys.next" },
  { key: "k", label: "ranking.keys.previous" },
  { key: "=", label: "ranking.keys.tie" },
  { key: "n", label: "ranking.allBad" },
  { key: "p", label: "ranking.keys.criterion" },
  { key: ".", label: "ranking.keys.flags" },
  { key: "w", label: "ranking.own.write" },
  { key: "l", label: "ranking.view.columns" },
  { key: "y", label: "ranking.view.together" },
  { key: "u", label: "ranking.view.focus" },
  { key: "z", label: "ranking.view.differences" },
  { key: "x", label: "ranking.keys.fold" },
  { key: "v", label: "text.raw" },
  { key: "e", label: "demonstration.write" },
  { key: "o", label: "review.verdict.accepted" },
  { key: "m", label: "review.verdict.corrected" },
  { key: "t", label: "review.verdict.returned" },
] as const;

/** The letters by which completions are called lead to them, so no action has one of them where there are any. */
const LETTERS = /[a-i]/;
/** What our keys were called when they still were such letters. */
const RENAMED: Record<string, string> = { b: "n", c: "p", d: "z", f: "u", g: "q" };

/** With `key` in the place of `ours`; null when another one has it, or it is not a single key that types a sign. */
export function withOwnKey(
  keys: Record<string, string>,
  ours: string,
  key: string,
): Record<string, string> | null {
  const wanted = key.toLowerCase();
  if (wanted.length !== 1 || /[\s\d]/.test(wanted)) return null;
  if (LETTERS.test(wanted) && wanted !== ours) return null;
  const isTaken = SINGLE_KEYS.some(
    (other) => other.key !== ours && (keys[other.key] ?? other.key) === wanted,
  );
  if (isTaken) return null;
  const { [ours]: _before, ...rest } = keys;
  return wanted === ours ? rest : { ...rest, [ours]: wanted };
}

/** What was stored with an account, by the names that our keys have now; what no longer can be is left out. */
export function readOwnKeys(stored: Record<string, string>): Record<string, string> {
  let keys: Record<string, string> = {};
  for (const [name, key] of Object.entries(stored)) {
    const ours = RENAMED[name] ?? name;
    if (SINGLE_KEYS.some((one) => one.key === ours)) keys = withOwnKey(keys, ours, key) ?? keys;
  }
  return keys;
}
