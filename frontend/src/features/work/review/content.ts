import type { TFunction } from "i18next";
import type { Assignment } from "@/lib/api/types";
import type { AnyWorkKind, Doubt, Missing, Written } from "@/lib/work";

export type Verdict = "accepted" | "corrected" | "returned";

/** A review as it stands while one works on it. */
export interface ReviewContent {
  verdict: Verdict | null;
  comment: string;
  /** The revision that is looked at; what was corrected upon another one is not taken over. */
  revision: number;
  /** The work as the reviewer would have it, in the form in which its own kind is worked on. */
  correction: unknown;
}

const VERDICTS: readonly unknown[] = ["accepted", "corrected", "returned"];

/** The reviewed work as if it were one's own unit: what its own page is given. */
export function workOf(assignment: Assignment): Assignment {
  const { reviewed } = assignment;
  if (!reviewed) return assignment;
  const { campaign, completions } = reviewed;
  return {
    ...assignment,
    campaign,
    completions,
    draft: null,
    suggestions: [],
    can_suggest: false,
    submitted: null,
  };
}

/** What a campaign of reviews does in the common frame; `kinds` are the kinds of work that are reviewed. */
export function makeReview(kinds: Record<string, AnyWorkKind>) {
  const kindOf = (assignment: Assignment) => kinds[workOf(assignment).campaign.kind] as AnyWorkKind;

  /** The work as its author gave it. */
  const given = (assignment: Assignment): unknown =>
    kindOf(assignment).restore(workOf(assignment), assignment.reviewed?.content);

  function read(assignment: Assignment, stored: unknown): ReviewContent {
    const kept = (stored ?? {}) as Partial<ReviewContent>;
    const revision = assignment.reviewed?.revision ?? 1;
    const isOfThis = kept.revision === revision && kept.correction !== null && kept.correction !== undefined;
    return {
      verdict: VERDICTS.includes(kept.verdict) ? (kept.verdict as Verdict) : null,
      comment: typeof kept.comment === "string" ? kept.comment : "",
      revision,
      correction: isOfThis ? kindOf(assignment).read(workOf(assignment), kept.correction) : null,
    };
  }

  const written = (assignment: Assignment, content: unknown): Written =>
    kindOf(assignment).submission(workOf(assignment), content);

  function missing(assignment: Assignment, content: ReviewContent): Missing | null {
    if (content.verdict === null) return { key: "review.missing.verdict" };
    if (content.verdict === "returned" && !content.comment.trim()) return { key: "review.missing.comment" };
    if (content.verdict !== "corrected") return null;
    const [before, after] = [given(assignment), content.correction].map((one) =>
      JSON.stringify(written(assignment, one)),
    );
    if (before === after) return { key: "review.missing.change" };
    return kindOf(assignment).missing(workOf(assignment), content.correction);
  }

  function doubts(assignment: Assignment, content: ReviewContent): Doubt[] {
    if (content.verdict !== "corrected") return [];
    return kindOf(assignment).doubts?.(workOf(assignment), content.correction) ?? [];
  }

  function submission(assignment: Assignment, content: ReviewContent) {
    return {
      verdict: content.verdict ?? "accepted",
      comment: content.comment,
      reviewed_revision: content.revision,
      content:
        content.verdict === "corrected"
          ? (written(assignment, content.correction) as Record<string, unknown>)
          : null,
    };
  }

  function inWords(assignment: Assignment, content: ReviewContent, t: TFunction): string {
    const verdict = content.verdict ? t(`review.verdict.${content.verdict}`) : t("review.none");
    const work =
      content.verdict === "corrected"
        ? kindOf(assignment).inWords(workOf(assignment), content.correction, t)
        : "";
    return [verdict, content.comment, work].filter(Boolean).join("\n\n");
  }

  /** One's own review, to be looked at. */
  const restore = (assignment: Assignment, submitted: unknown): ReviewContent => ({
    ...read(assignment, submitted),
    verdict: (submitted as Partial<ReviewContent>).verdict ?? null,
    correction: null,
  });

  return { kindOf, given, read, restore, missing, doubts, submission, inWords };
}
