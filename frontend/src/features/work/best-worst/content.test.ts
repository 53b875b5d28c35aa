import { expect, test } from "vitest";
import type { Assignment } from "@/lib/api/types";
import { ALL_BAD, ALL_EQUAL, letterOf, missing, NOTHING, read, submission, withMark } from "./content";

const unit = { completions: [1, 2, 3, 4].map((id) => ({ id })) } as unknown as Assignment;
const chosen = (best: number | null, worst: number | null) => ({ verdict: "chosen" as const, best, worst });

test("a mark goes from one completion to the next, and none has both", () => {
  const marked = withMark(withMark(NOTHING, 2, "best"), 4, "worst");
  expect(marked).toEqual(chosen(2, 4));
  expect(withMark(marked, 3, "best")).toEqual(chosen(3, 4));
  expect(withMark(marked, 4, "best")).toEqual(chosen(4, null));
  expect(withMark(marked, 2, null)).toEqual(chosen(null, 4));
  expect(withMark(chosen(2, null), 2, null)).toEqual(NOTHING);
});

test("a mark takes the place of what was said of all, and what is taken off nothing", () => {
  expect(withMark(ALL_EQUAL, 2, "worst")).toEqual(chosen(null, 2));
  expect(withMark(ALL_BAD, 2, null)).toEqual(ALL_BAD);
});

test("a draft is read back, and nothing in it is trusted", () => {
  for (const content of [chosen(3, 1), chosen(null, 1), ALL_EQUAL, ALL_BAD, NOTHING])
    expect(read(unit, { ...content })).toEqual(content);
  expect(read(unit, chosen(2, 2))).toEqual(chosen(2, null));
  expect(read(unit, { verdict: "tie", best: 2, worst: 3 })).toEqual(ALL_EQUAL);
  for (const odd of [null, 7, chosen(9, 0), { verdict: "better", best: "2" }])
    expect(read(unit, odd)).toEqual(NOTHING);
});

test("what is still missing is said, and both marks go along", () => {
  const keys = [NOTHING, chosen(2, null), chosen(null, 2)].map((content) => missing(unit, content)?.key);
  expect(keys).toEqual(["bestWorst.missing.both", "bestWorst.missing.worst", "bestWorst.missing.best"]);
  for (const whole of [chosen(2, 3), ALL_EQUAL, ALL_BAD]) {
    expect(missing(unit, whole)).toBeNull();
    expect(submission(unit, whole)).toEqual(whole);
  }
});

test("completions are called by the place in which they are shown", () => {
  expect([1, 4, null].map((id) => letterOf(unit, id))).toEqual(["A", "D", "—"]);
});
