import { createElement, useMemo } from "react";
import type { AnyWorkKind, WorkKind, WorkProps } from "@/lib/work";
import { makeReview, type ReviewContent } from "./content";
import { Decision } from "./decision";
import { makePractice } from "./practice";
import { ReviewPage } from "./review-page";

/** Reviews of work of these kinds, each shown in its own page. */
export function makeWork(kinds: Record<string, AnyWorkKind>): WorkKind<ReviewContent> {
  const { kindOf, given, ...review } = makeReview(kinds);

  function Page(props: WorkProps<ReviewContent>) {
    const { assignment, content } = props;
    // Once: turns have keys that are made anew each time.
    const original = useMemo(() => given(assignment), [assignment]);
    const shown = content.verdict === "corrected" ? (content.correction ?? original) : original;
    return createElement(ReviewPage, { ...props, kind: kindOf(assignment), shown });
  }

  function Foot(props: WorkProps<ReviewContent>) {
    const { assignment } = props;
    const original = useMemo(() => given(assignment), [assignment]);
    return createElement(Decision, { ...props, given: original });
  }

  return { ...review, practice: makePractice(kinds), Page, Foot };
}
