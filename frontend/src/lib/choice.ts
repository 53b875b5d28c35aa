import type { TFunction } from "i18next";

/** The two that are compared, the first shown first. */
export interface Pair {
  completions: readonly { id: number }[];
}

export type Strength = 1 | 2 | 3;

/** What was said of two; `chosen` and `strength` where one is better. */
export interface Choice {
  verdict: "better" | "tie" | "all_bad" | null;
  chosen: number | null;
  strength: Strength | null;
}

export const NOTHING: Choice = { verdict: null, chosen: null, strength: null };
export const BOTH_BAD: Choice = { verdict: "all_bad", chosen: null, strength: null };

/** The scale from the first completion to the second: much, clearly, slightly better, equal, and the same again. */
export function scaleOf(pair: Pair): Choice[] {
  const [first, second] = pair.completions;
  const better = (id: number, strength: Strength): Choice => ({ verdict: "better", chosen: id, strength });
  if (!first || !second) return [];
  return [
    ...([3, 2, 1] as const).map((strength) => better(first.id, strength)),
    { verdict: "tie", chosen: null, strength: null },
    ...([1, 2, 3] as const).map((strength) => better(second.id, strength)),
  ];
}

export const isSame = (a: Choice, b: Choice) =>
  a.verdict === b.verdict && a.chosen === b.chosen && a.strength === b.strength;

const letterOf = (pair: Pair, id: number | null) => (id === pair.completions[0]?.id ? "A" : "B");

/** "Completion A is much better": the same words for the eye, for screen readers and for the live region. */
export function choiceInWords(pair: Pair, choice: Choice, t: TFunction): string {
  const { verdict, chosen, strength } = choice;
  if (verdict === "better" && strength)
    return t(`comparison.better.${strength}`, { letter: letterOf(pair, chosen) });
  return verdict === "tie" || verdict === "all_bad" ? t(`comparison.${verdict}`) : t("comparison.none");
}
