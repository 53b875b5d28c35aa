/** A person's own keys in place of ours; they hold on every page, and come with the account. */
let own: Record<string, string> = {};

export function setOwnKeys(keys: Record<string, string>): void {
  own = keys;
}

/** The key that does this person what the pages call `keys`. */
export function ownKey(keys: string): string {
  return own[keys] ?? keys;
}

/** The same for aria-keyshortcuts. */
export function ariaKey(keys: string): string {
  return ownKey(keys).toUpperCase();
}

/** Every single key that can be changed, and what it does; the same key does the same kind of thing on each page. */
export const SINGLE_KEYS = [
  { key: "/", label: "palette.title" },
  { key: "?", label: "keys.help" },
  { key: "s", label: "work.skip" },
  { key: "r", label: "remark.title" },
  { key: "g", label: "guidelines.toggle" },
  { key: "j", label: "ranking.keys.next" },
  { key: "k", label: "ranking.keys.previous" },
  { key: "=", label: "ranking.keys.tie" },
  { key: "b", label: "ranking.allBad" },
  { key: "c", label: "ranking.keys.criterion" },
  { key: "w", label: "ranking.own.write" },
  { key: "l", label: "ranking.view.columns" },
  { key: "y", label: "ranking.view.together" },
  { key: "f", label: "ranking.view.focus" },
  { key: "d", label: "ranking.view.differences" },
  { key: "x", label: "ranking.keys.fold" },
  { key: "v", label: "text.raw" },
  { key: "e", label: "demonstration.write" },
] as const;

/** With `key` in the place of `ours`; null when another one has it, or it is not a single key that types a sign. */
export function withOwnKey(
  keys: Record<string, string>,
  ours: string,
  key: string,
): Record<string, string> | null {
  const wanted = key.toLowerCase();
  if (wanted.length !== 1 || /[\s\d]/.test(wanted)) return null;
  const isTaken = SINGLE_KEYS.some(
    (other) => other.key !== ours && (keys[other.key] ?? other.key) === wanted,
  );
  if (isTaken) return null;
  const { [ours]: _before, ...rest } = keys;
  return wanted === ours ? rest : { ...rest, [ours]: wanted };
}
