import { expect, test } from "vitest";
import type { Assignment } from "@/lib/api/types";
import {
  doubts,
  missing,
  ordersOf,
  read,
  withOrders,
  withOwnAnswer,
  withOwnAnswerClosed,
  withOwnAnswerOpened,
} from "./content";

const unit = (criteria: string[] = [], flags = ["untrue"]) =>
  ({
    campaign: { criteria, flags, own_answer: "ranked", is_rated_first: false },
    completions: [1, 2, 3, 4].map((id) => ({ id, text: `Text ${id}` })),
  }) as unknown as Assignment;
const ordered = (rows: number[][], more: object = {}) => read(unit(), { rows, ...more });
const asked = (content: ReturnType<typeof ordered>, assignment = unit()) =>
  doubts(assignment, content).map(({ key, count }) => [key.replace("ranking.doubt.", ""), count]);

test("an order of all of them raises no doubt", () => {
  expect(asked(ordered([[1], [2, 3], [4], []]))).toEqual([]);
  expect(missing(unit(), ordered([[1], [2]]))).toBeNull(); // what is doubtful can be submitted
});

test("some that are left out are counted, and one place for all teaches nothing", () => {
  expect(asked(ordered([[1], [2]]))).toEqual([["unordered", 2]]);
  expect(asked(ordered([[1, 2, 4]]))).toEqual([
    ["oneTier", 1],
    ["unordered", 1],
  ]);
  expect(asked(ordered([[1, 2, 3, 4]]))).toEqual([["oneTier", 0]]);
  // One's own answer is one of those to be ordered.
  expect(asked(withOwnAnswer(ordered([[1], [2], [3], [4]]), "Mine."))).toEqual([["unordered", 1]]);
});

test("all bad is asked about where a flag could say why and none does", () => {
  const bad = { all_bad: true };
  expect(asked(ordered([], bad))).toEqual([["allBad", undefined]]);
  expect(asked(ordered([], { ...bad, ratings: { 2: { value: null, flags: ["untrue"] } } }))).toEqual([]);
  expect(asked(ordered([], bad), unit([], []))).toEqual([]);
});

test("each further order is looked at too", () => {
  const assignment = unit(["helpful", "short"]);
  const rows = [[1], [2], [3], [4]];
  const content = read(assignment, { rows, criteria: { helpful: [[1, 2, 3, 4]], short: [[1], [2], [3]] } });
  expect(asked(content, assignment)).toEqual([
    ["criterionOneTier", 0],
    ["criterion", 1],
  ]);
});

test("a better answer is closed and taken up again with its words; steps back fit what there is", () => {
  const open = withOwnAnswer(ordered([[1], [2]]), "Mine.");
  const closed = withOwnAnswerClosed(open);
  expect([closed.own_answer, closed.put_away, closed.rows.length]).toEqual(["", "Mine.", 4]);
  expect(read(unit(), JSON.parse(JSON.stringify(closed))).put_away).toBe("Mine.");
  expect(withOwnAnswerOpened(closed)).toMatchObject({ own_answer: "Mine.", put_away: "" });
  const before = ordersOf({ ...open, rows: [[0], [1], [2], [3], [4]] });
  expect(withOrders(closed, before, [1, 2, 3, 4]).rows).toEqual([[], [1], [2], [3]]);
});
