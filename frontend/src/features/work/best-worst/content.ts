import type { TFunction } from "i18next";
import type { Assignment } from "@/lib/api/types";
import { letters } from "@/lib/keyboard/letters";
import type { Missing } from "@/lib/work";

export type Mark = "best" | "worst";

/** What was said of several completions: the best and the worst of them, or that none is better than another. */
export interface BestWorst {
  verdict: "chosen" | "tie" | "all_bad" | null;
  best: number | null;
  worst: number | null;
}

export const NOTHING: BestWorst = { verdict: null, best: null, worst: null };
export const ALL_EQUAL: BestWorst = { ...NOTHING, verdict: "tie" };
export const ALL_BAD: BestWorst = { ...NOTHING, verdict: "all_bad" };

export const markOf = ({ best, worst }: BestWorst, id: number): Mark | null =>
  id === best ? "best" : id === worst ? "worst" : null;

/** With this completion marked in the place of another, or its mark taken off; it is never both. */
export function withMark(content: BestWorst, id: number, mark: Mark | null): BestWorst {
  const marks = {
    best: content.best === id ? null : content.best,
    worst: content.worst === id ? null : content.worst,
    ...(mark && { [mark]: id }),
  };
  if (marks.best !== null || marks.worst !== null) return { verdict: "chosen", ...marks };
  return content.verdict === "chosen" ? NOTHING : content;
}

export function read({ completions }: Assignment, stored: unknown): BestWorst {
  const kept = { ...NOTHING, ...(stored as Partial<BestWorst> | null) };
  if (kept.verdict === "tie") return ALL_EQUAL;
  if (kept.verdict === "all_bad") return ALL_BAD;
  let content = NOTHING;
  for (const mark of ["best", "worst"] as const) {
    const found = completions.find(({ id }) => id === kept[mark] && markOf(content, id) === null);
    if (found) content = withMark(content, found.id, mark);
  }
  return content;
}

export function missing(_assignment: Assignment, { verdict, best, worst }: BestWorst): Missing | null {
  if (verdict === null) return { key: "bestWorst.missing.both" };
  if (verdict !== "chosen" || (best !== null && worst !== null)) return null;
  return { key: best === null ? "bestWorst.missing.best" : "bestWorst.missing.worst" };
}

export function submission(_assignment: Assignment, { verdict, best, worst }: BestWorst) {
  return { verdict: verdict ?? "chosen", best, worst };
}

/** A, B, C … in the order shown: a name that says nothing about where a completion came from. */
export function letterOf({ completions }: Assignment, id: number | null): string {
  return letters(completions.length)[completions.findIndex((completion) => completion.id === id)] ?? "—";
}

/** "Best: A. Worst: C." */
export function inWords(assignment: Assignment, { verdict, best, worst }: BestWorst, t: TFunction): string {
  if (verdict === null) return t("comparison.none");
  if (verdict !== "chosen") return t(verdict === "tie" ? "bestWorst.tie" : "ranking.allBad");
  return t("bestWorst.chosen", { best: letterOf(assignment, best), worst: letterOf(assignment, worst) });
}
