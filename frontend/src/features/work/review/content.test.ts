import { expect, test } from "vitest";
import type { Assignment } from "@/lib/api/types";
import type { AnyWorkKind } from "@/lib/work";
import { makeReview, workOf } from "./content";

/** A kind of work that is one text. */
const letters = {
  read: (_unit: Assignment, stored: unknown) => ({ text: String((stored as { text?: string })?.text ?? "") }),
  restore: (_unit: Assignment, submitted: unknown) => ({ text: (submitted as { text: string }).text }),
  missing: (_unit: Assignment, content: { text: string }) => (content.text ? null : { key: "review.none" }),
  submission: (_unit: Assignment, content: { text: string }) => ({ text: content.text }),
  doubts: (_unit: Assignment, { text }: { text: string }) =>
    text === "Vague" ? [{ key: "letters.doubt" }] : [],
  inWords: (_unit: Assignment, content: { text: string }) => content.text,
} as unknown as AnyWorkKind;

const unit = {
  campaign: { kind: "review" },
  completions: [],
  reviewed: {
    campaign: { kind: "letters" },
    completions: [{ id: 3 }],
    content: { text: "Old" },
    revision: 2,
  },
} as unknown as Assignment;
const review = makeReview({ letters });
const begun = review.read(unit, null);

test("the work is laid out as its own kind", () => {
  expect(workOf(unit).campaign.kind).toBe("letters");
  expect(workOf(unit).completions).toEqual([{ id: 3 }]);
  expect(review.given(unit)).toEqual({ text: "Old" });
});

test("what is still missing is said", () => {
  expect(review.missing(unit, begun)?.key).toBe("review.missing.verdict");
  expect(review.missing(unit, { ...begun, verdict: "accepted" })).toBeNull();
  expect(review.missing(unit, { ...begun, verdict: "returned", comment: " " })?.key).toBe(
    "review.missing.comment",
  );
  const mended = (text: string) => ({ ...begun, verdict: "corrected" as const, correction: { text } });
  expect(review.missing(unit, mended("Old"))?.key).toBe("review.missing.change");
  expect(review.missing(unit, mended(""))?.key).toBe("review.none");
  expect(review.missing(unit, mended("New"))).toBeNull();
});

test("what a reviewer mends is doubted as if it were the author's; the author's own is not", () => {
  const mended = { ...begun, correction: { text: "Vague" } };
  expect(review.doubts(unit, { ...mended, verdict: "corrected" })).toEqual([{ key: "letters.doubt" }]);
  expect(review.doubts(unit, { ...mended, verdict: "accepted" })).toEqual([]);
});

test("a correction goes along with the corrected work alone", () => {
  const content = { ...begun, correction: { text: "New" } };
  expect(review.submission(unit, { ...content, verdict: "corrected" })).toMatchObject({
    verdict: "corrected",
    reviewed_revision: 2,
    content: { text: "New" },
  });
  expect(review.submission(unit, { ...content, verdict: "accepted" }).content).toBeNull();
});

test("what was corrected upon another revision is not taken over", () => {
  const stored = { verdict: "corrected", comment: "c", revision: 2, correction: { text: "New" } };
  expect(review.read(unit, stored).correction).toEqual({ text: "New" });
  expect(review.read(unit, { ...stored, revision: 1 }).correction).toBeNull();
  expect(review.read(unit, { verdict: "odd" }).verdict).toBeNull();
});
