import type { Assignment } from "@/lib/api/types";
import { emptyRows, type Rows, toTiers } from "./tiers";

export interface Rating {
  value: number | null;
  flags: string[];
}

/** A ranking as it stands while one works on it. */
export interface RankingContent {
  rows: Rows;
  ratings: Record<string, Rating>;
  all_bad: boolean;
}

export const HIGHEST_RATING = 7;

export function ratingOf(content: RankingContent, id: number): Rating {
  return content.ratings[id] ?? { value: null, flags: [] };
}

export function read(assignment: Assignment, stored: unknown): RankingContent {
  const ids = assignment.completions.map((completion) => completion.id);
  const kept = (stored ?? {}) as Partial<RankingContent>;
  const seen = new Set<number>();
  const rows = emptyRows(ids.length).map((_row, index) => {
    const row = Array.isArray(kept.rows) && Array.isArray(kept.rows[index]) ? kept.rows[index] : [];
    return row.filter((id) => ids.includes(id) && !seen.has(id) && seen.add(id));
  });
  const ratings: Record<string, Rating> = {};
  for (const id of ids) {
    const rating = kept.ratings?.[id];
    if (!rating) continue;
    const value =
      Number.isInteger(rating.value) && Number(rating.value) >= 1 && Number(rating.value) <= HIGHEST_RATING;
    ratings[id] = {
      value: value ? rating.value : null,
      flags: (rating.flags ?? []).filter((flag) => assignment.campaign.flags.includes(flag)),
    };
  }
  return { rows, ratings, all_bad: kept.all_bad === true };
}

export function missing(_assignment: Assignment, content: RankingContent) {
  const isOrdered = content.rows.flat().length >= 2;
  return isOrdered || content.all_bad ? null : ({ key: "ranking.missing.order" } as const);
}

export function submission(assignment: Assignment, content: RankingContent) {
  return {
    tiers: toTiers(content.rows),
    all_bad: content.all_bad,
    ratings: assignment.completions
      .map(({ id }) => ({ completion: id, ...ratingOf(content, id) }))
      .filter((rating) => rating.value !== null || rating.flags.length > 0),
  };
}

/** A, B, C … in the order shown: a name that says nothing about where a completion came from. */
export function letterOf(assignment: Assignment, id: number): string {
  return String.fromCharCode(65 + assignment.completions.findIndex((completion) => completion.id === id));
}

/** "A > B = C", for telling two versions apart. */
export function inWords(assignment: Assignment, content: RankingContent): string {
  const order = toTiers(content.rows)
    .map((tier) => tier.map((id) => letterOf(assignment, id)).join(" = "))
    .join(" > ");
  const ratings = assignment.completions.map(({ id }) => {
    const { value, flags } = ratingOf(content, id);
    return `${letterOf(assignment, id)}: ${[value ? `${value}/${HIGHEST_RATING}` : "—", ...flags].join(", ")}`;
  });
  return [order || "—", ...ratings].join("\n");
}
