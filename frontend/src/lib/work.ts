import type { TFunction } from "i18next";
import type { ComponentType } from "react";
import type { components } from "./api/schema";
import type { Assignment } from "./api/types";

export interface WorkProps<Content> {
  assignment: Assignment;
  content: Content;
  change: (next: (content: Content) => Content) => void;
  /** Says something in the live region, for those who do not see the change. */
  announce: (sentence: string) => void;
}

/** The translated sentence that says what is still missing, as a key and its values. */
export interface Missing {
  key:
    | "ranking.missing.ratings"
    | "ranking.missing.order"
    | "ranking.missing.criterion"
    | "comparison.missing"
    | "demonstration.missing.empty"
    | "demonstration.missing.answer"
    | "chat.missing.none"
    | "chat.missing.choice"
    | "chat.missing.unsent"
    | "review.missing.verdict"
    | "review.missing.comment"
    | "review.missing.change";
  /** The criterion that it is about, if it is about one. */
  criterion?: string;
}

/** A sentence that asks before something is submitted that may be a slip, as a key and its values. */
export interface Doubt {
  key:
    | "ranking.doubt.unordered"
    | "ranking.doubt.oneTier"
    | "ranking.doubt.criterion"
    | "ranking.doubt.criterionOneTier"
    | "ranking.doubt.allBad";
  count?: number;
  of?: number;
  criterion?: string;
}

type Schemas = components["schemas"];
type Envelope = "submission_key" | "seconds_spent" | "revises";
/** A submission without its key, time and the revision it corrects, which the frame adds. */
export type Written =
  | Omit<Schemas["DemonstrationSubmissionRequest"], Envelope>
  | Omit<Schemas["RankingSubmissionRequest"], Envelope>
  | Omit<Schemas["ComparisonSubmissionRequest"], Envelope>
  | Omit<Schemas["ChatSubmissionRequest"], Envelope>
  | Omit<Schemas["ReviewSubmissionRequest"], Envelope>;

/** One kind of work inside the common frame: how its draft is read, shown, checked and submitted. */
export interface WorkKind<Content> {
  /** The content to begin with; `stored` is a draft as it was kept, of which nothing is trusted. */
  read: (assignment: Assignment, stored: unknown) => Content;
  /** What was handed in, in the form in which it is worked on. */
  restore: (assignment: Assignment, submitted: unknown) => Content;
  /** What still keeps this from being submitted; null when nothing does. */
  missing: (assignment: Assignment, content: Content) => Missing | null;
  /** What may be a slip in what could be submitted: it is asked about first, and can be submitted all the same. */
  doubts?: (assignment: Assignment, content: Content) => Doubt[];
  submission: (assignment: Assignment, content: Content) => Written;
  /** The content in plain words, to tell two versions apart. */
  inWords: (assignment: Assignment, content: Content, t: TFunction) => string;
  Page: ComponentType<WorkProps<Content>>;
  /** Stands above the bar at the foot of the page, always in sight. */
  Foot?: ComponentType<WorkProps<Content>>;
  /** To be read and not changed, where the page itself is made for writing. */
  Reading?: ComponentType<Pick<WorkProps<Content>, "assignment" | "content">>;
}

// biome-ignore lint/suspicious/noExplicitAny: each kind has its own content, known only inside it
export type AnyWorkKind = WorkKind<any>;
export type WorkKinds = Record<string, () => Promise<AnyWorkKind>>;
