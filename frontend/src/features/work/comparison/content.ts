import type { Assignment } from "@/lib/api/types";
import { BOTH_BAD, type Choice, isSame, NOTHING, scaleOf } from "@/lib/choice";

export function read(assignment: Assignment, stored: unknown): Choice {
  const kept = { ...NOTHING, ...(stored as Partial<Choice> | null) };
  return [...scaleOf(assignment), BOTH_BAD].find((place) => isSame(place, kept)) ?? NOTHING;
}

export function missing(_assignment: Assignment, content: Choice) {
  return content.verdict ? null : ({ key: "comparison.missing" } as const);
}

export function submission(_assignment: Assignment, { verdict, chosen, strength }: Choice) {
  return { verdict: verdict ?? "tie", chosen, strength };
}
