import type { TFunction } from "i18next";
import type { Assignment } from "@/lib/api/types";
import type { Doubt, Missing } from "@/lib/work";
import { emptyRows, type Rows, toTiers, withoutRowOf } from "./tiers";

export interface Rating {
  value: number | null;
  flags: string[];
}

/** A ranking as it stands while one works on it. */
export interface RankingContent {
  rows: Rows;
  /** Further orders of the same completions, for each of the campaign's criteria. */
  criteria: Record<string, Rows>;
  ratings: Record<string, Rating>;
  all_bad: boolean;
  /** A better answer by whoever ranks; in the rows it is `OWN`. */
  own_answer: string;
  /** The words of an own answer that was closed: they are not handed in, and there again when it is opened. */
  put_away: string;
  /** Where each is rated first: the ratings are made, and now they are ordered. */
  is_ordering: boolean;
}

export const HIGHEST_RATING = 7;
export const OWN = 0;
const UNRATED: Rating = { value: null, flags: [] };

export function ratingOf(content: RankingContent, id: number): Rating {
  return content.ratings[id] ?? UNRATED;
}

/** What is put in order: the completions as shown, then one's own answer. */
export function idsOf(assignment: Assignment, ownAnswer: string): number[] {
  const ids = assignment.completions.map((completion) => completion.id);
  return ownAnswer.trim() ? [...ids, OWN] : ids;
}

/** The overall order (`criterion` empty), or that of one criterion. */
export function orderOf(content: RankingContent, criterion: string): Rows {
  return criterion ? (content.criteria[criterion] ?? []) : content.rows;
}

export function withOrder(content: RankingContent, criterion: string, rows: Rows): RankingContent {
  return criterion
    ? { ...content, criteria: { ...content.criteria, [criterion]: rows } }
    : { ...content, rows };
}

/** All that is put in order, and that all are bad: what a step back brings back. */
export type Orders = Pick<RankingContent, "rows" | "criteria" | "all_bad">;

export const ordersOf = ({ rows, criteria, all_bad }: RankingContent): Orders => ({
  rows,
  criteria,
  all_bad,
});

/** With the orders as they were before, of what there is to be ordered now. */
export function withOrders(
  content: RankingContent,
  { rows, criteria, all_bad }: Orders,
  ids: number[],
): RankingContent {
  const fitting = Object.entries(criteria).map(([name, order]) => [name, readRows(ids, order)]);
  return { ...content, all_bad, rows: readRows(ids, rows), criteria: Object.fromEntries(fitting) };
}

/** With the first word of an own answer comes its place on every shelf; with the last it goes. */
export function withOwnAnswer(content: RankingContent, text: string): RankingContent {
  const [had, has] = [content.own_answer.trim() !== "", text.trim() !== ""];
  const next = { ...content, own_answer: text };
  if (had === has) return next;
  const change = (rows: Rows): Rows => (has ? [...rows, []] : withoutRowOf(rows, OWN));
  const criteria = Object.entries(content.criteria).map(([name, rows]) => [name, change(rows)]);
  return { ...next, rows: change(content.rows), criteria: Object.fromEntries(criteria) };
}

/** Out of the order and the page, its words kept. */
export const withOwnAnswerClosed = (content: RankingContent): RankingContent => ({
  ...withOwnAnswer(content, ""),
  put_away: content.own_answer,
});

/** Begun, or taken up again with the words that were put away. */
export const withOwnAnswerOpened = (content: RankingContent): RankingContent =>
  content.own_answer ? content : { ...withOwnAnswer(content, content.put_away), put_away: "" };

function readRows(ids: number[], kept: unknown): Rows {
  const seen = new Set<number>();
  return emptyRows(ids.length).map((_row, index) => {
    const row = Array.isArray(kept) && Array.isArray(kept[index]) ? (kept[index] as number[]) : [];
    return row.filter((id) => ids.includes(id) && !seen.has(id) && seen.add(id));
  });
}

export function read(assignment: Assignment, stored: unknown): RankingContent {
  const { campaign, completions } = assignment;
  const kept = (stored ?? {}) as Partial<RankingContent>;
  const own_answer =
    campaign.own_answer !== "off" && typeof kept.own_answer === "string" ? kept.own_answer : "";
  const ids = idsOf(assignment, own_answer);
  const ratings: Record<string, Rating> = {};
  for (const { id } of completions) {
    const rating = kept.ratings?.[id];
    if (!rating) continue;
    const value =
      Number.isInteger(rating.value) && Number(rating.value) >= 1 && Number(rating.value) <= HIGHEST_RATING;
    ratings[id] = {
      value: value ? rating.value : null,
      flags: (rating.flags ?? []).filter((flag) => campaign.flags.includes(flag)),
    };
  }
  return {
    rows: readRows(ids, kept.rows),
    criteria: Object.fromEntries(
      campaign.criteria.map((name) => [name, readRows(ids, kept.criteria?.[name])]),
    ),
    ratings,
    all_bad: kept.all_bad === true,
    own_answer,
    put_away: typeof kept.put_away === "string" ? kept.put_away : "",
    is_ordering: kept.is_ordering === true,
  };
}

/** The submitted tiers back on the shelf, each in a row of its own from the top. */
export function restore(assignment: Assignment, submitted: unknown): RankingContent {
  const { tiers, ratings = [], ...kept } = submitted as Partial<ReturnType<typeof submission>>;
  return read(assignment, {
    ...kept,
    rows: tiers,
    ratings: Object.fromEntries(
      ratings.map(({ completion, value, flags }) => [completion, { value, flags }]),
    ),
    is_ordering: true,
  });
}

export function areAllRated(assignment: Assignment, content: RankingContent): boolean {
  return assignment.completions.every(({ id }) => ratingOf(content, id).value !== null);
}

export function missing({ campaign, ...assignment }: Assignment, content: RankingContent): Missing | null {
  if (campaign.is_rated_first && !areAllRated({ campaign, ...assignment }, content)) {
    return { key: "ranking.missing.ratings" };
  }
  if (content.all_bad) return null;
  if (content.rows.flat().length < 2) return { key: "ranking.missing.order" };
  const criterion = campaign.criteria.find((name) => orderOf(content, name).flat().length < 2);
  return criterion === undefined ? null : { key: "ranking.missing.criterion", criterion };
}

/** What an order leaves open: some that stand nowhere, or one place for all, which says of none that it is better. */
function doubtsOf(rows: Rows, numAll: number): ("unordered" | "oneTier")[] {
  const numOrdered = rows.flat().length;
  return [
    ...(toTiers(rows).length === 1 ? (["oneTier"] as const) : []),
    ...(numOrdered < numAll ? (["unordered"] as const) : []),
  ];
}

export function doubts(assignment: Assignment, content: RankingContent): Doubt[] {
  const { campaign } = assignment;
  const of = idsOf(assignment, content.own_answer).length;
  if (content.all_bad) {
    const isSaidWhy = Object.values(content.ratings).some(({ flags }) => flags.length > 0);
    return campaign.flags.length === 0 || isSaidWhy || content.own_answer.trim()
      ? []
      : [{ key: "ranking.doubt.allBad" }];
  }
  const leftOut = (rows: Rows) => of - rows.flat().length;
  const overall = doubtsOf(content.rows, of).map(
    (name): Doubt => ({ key: `ranking.doubt.${name}`, count: leftOut(content.rows), of }),
  );
  const ofCriteria = campaign.criteria.flatMap((criterion) => {
    const [name] = doubtsOf(orderOf(content, criterion), of);
    const key = name === "oneTier" ? "ranking.doubt.criterionOneTier" : "ranking.doubt.criterion";
    return name ? [{ key, count: leftOut(orderOf(content, criterion)), of, criterion } as Doubt] : [];
  });
  return [...overall, ...ofCriteria];
}

export function submission({ campaign, completions }: Assignment, content: RankingContent) {
  return {
    tiers: toTiers(content.rows),
    criteria: Object.fromEntries(campaign.criteria.map((name) => [name, toTiers(orderOf(content, name))])),
    own_answer: content.own_answer.trim() ? content.own_answer : "",
    all_bad: content.all_bad,
    ratings: completions
      .map(({ id }) => ({ completion: id, ...ratingOf(content, id) }))
      .filter((rating) => rating.value !== null || rating.flags.length > 0),
  };
}

/** A, B, C … in the order shown: a name that says nothing about where a completion came from. One's own is the last. */
export function letterOf({ completions }: Assignment, id: number): string {
  const index = completions.findIndex((completion) => completion.id === id);
  return String.fromCharCode(65 + (index < 0 ? completions.length : index));
}

/** "A > B = C", for telling two versions apart. */
export function inWords(assignment: Assignment, content: RankingContent, t: TFunction): string {
  const order = (rows: Rows) =>
    toTiers(rows)
      .map((tier) => tier.map((id) => letterOf(assignment, id)).join(" = "))
      .join(" > ") || "—";
  const criteria = Object.entries(content.criteria).map(([name, rows]) => `${name}: ${order(rows)}`);
  const ratings = assignment.completions.map(({ id }) => {
    const { value, flags } = ratingOf(content, id);
    return `${letterOf(assignment, id)}: ${[value ? `${value}/${HIGHEST_RATING}` : "—", ...flags].join(", ")}`;
  });
  const own = content.own_answer && `${t("ranking.own.title")}\n${content.own_answer}`;
  return [order(content.rows), ...criteria, ...ratings, own].filter(Boolean).join("\n");
}
