import type { TFunction } from "i18next";
import type { Assignment } from "@/lib/api/types";

export type Strength = 1 | 2 | 3;

/** A choice between two as it stands while one works on it; `chosen` and `strength` where one is better. */
export interface ComparisonContent {
  verdict: "better" | "tie" | "all_bad" | null;
  chosen: number | null;
  strength: Strength | null;
}

export const NOTHING: ComparisonContent = { verdict: null, chosen: null, strength: null };
export const BOTH_BAD: ComparisonContent = { verdict: "all_bad", chosen: null, strength: null };

/** The scale from the first completion to the second: much, clearly, slightly better, equal, and the same again. */
export function scaleOf(assignment: Assignment): ComparisonContent[] {
  const [first, second] = assignment.completions;
  const better = (id: number, strength: Strength): ComparisonContent => ({
    verdict: "better",
    chosen: id,
    strength,
  });
  if (!first || !second) return [];
  return [
    ...([3, 2, 1] as const).map((strength) => better(first.id, strength)),
    { verdict: "tie", chosen: null, strength: null },
    ...([1, 2, 3] as const).map((strength) => better(second.id, strength)),
  ];
}

export const isSame = (a: ComparisonContent, b: ComparisonContent) =>
  a.verdict === b.verdict && a.chosen === b.chosen && a.strength === b.strength;

export function read(assignment: Assignment, stored: unknown): ComparisonContent {
  const kept = { ...NOTHING, ...(stored as Partial<ComparisonContent> | null) };
  return [...scaleOf(assignment), BOTH_BAD].find((place) => isSame(place, kept)) ?? NOTHING;
}

export function missing(_assignment: Assignment, content: ComparisonContent) {
  return content.verdict ? null : ({ key: "comparison.missing" } as const);
}

export function submission(_assignment: Assignment, { verdict, chosen, strength }: ComparisonContent) {
  return { verdict: verdict ?? "tie", chosen, strength };
}

export const letterOf = (assignment: Assignment, id: number | null) =>
  id === assignment.completions[0]?.id ? "A" : "B";

/** "Completion A is much better": the same words for the eye, for screen readers and for the live region. */
export function inWords(assignment: Assignment, content: ComparisonContent, t: TFunction): string {
  const { verdict, chosen, strength } = content;
  if (verdict === "better" && strength)
    return t(`comparison.better.${strength}`, { letter: letterOf(assignment, chosen) });
  return verdict === "tie" || verdict === "all_bad" ? t(`comparison.${verdict}`) : t("comparison.none");
}
