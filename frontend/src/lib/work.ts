import type { ParseKeys, TFunction } from "i18next";
import type { ComponentType } from "react";
import type { components } from "./api/schema";
import type { Assignment, CampaignKind, Message } from "./api/types";

export interface WorkProps<Content> {
  assignment: Assignment;
  content: Content;
  change: (next: (content: Content) => Content) => void;
  /** Says something in the live region, for those who do not see the change. */
  announce: (sentence: string) => void;
}

/** The translated sentence that says what is still missing, as a key and its values. */
export interface Missing {
  key: ParseKeys;
  /** The criterion that it is about, if it is about one. */
  criterion?: string;
}

/** A sentence that asks before something is submitted that may be a slip, as a key and its values. */
export interface Doubt extends Missing {
  count?: number;
  of?: number;
}

type WithoutEnvelope<Submission> = Submission extends unknown
  ? Omit<Submission, "submission_key" | "seconds_spent" | "revises">
  : never;
/** A submission of any kind without its key, time and the revision it corrects, which the frame adds. */
export type Written = WithoutEnvelope<components["schemas"]["SubmissionRequest"]>;

/** A made-up unit on which one can practise; nothing of what is done with it is sent. */
export interface Example {
  messages: Message[];
  completions?: string[];
  campaign?: Partial<Assignment["campaign"]>;
  /** What is reviewed; the rest as in any unit. */
  reviewed?: { example: Example; kind: CampaignKind; content: unknown };
  /** What is answered in a chat, the first pair first. */
  answers?: string[];
}

/** A kind's part in the common frame: how its draft is read, shown, checked and submitted. */
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
  /** An example to practise on, in the reader's own language. */
  practice: (t: TFunction) => Example;
  /** To be read and not changed, where the page itself is made for writing. */
  Reading?: ComponentType<Pick<WorkProps<Content>, "assignment" | "content">>;
}

// biome-ignore lint/suspicious/noExplicitAny: each kind has its own content, known only inside it
export type AnyWorkKind = WorkKind<any>;
