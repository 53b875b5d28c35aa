import { createContext, useContext } from "react";
import type en from "../locales/en.json";
import type { CampaignKind, Progress } from "./api/types";
import type { AnyWorkKind } from "./work";

/** A setting that not every campaign has; all have a name, a language, a lease and, where they are new, guidelines. */
export type Setting =
  | "reviewed"
  | "overlap"
  | "completions"
  | "heldOut"
  | "correction"
  | "ratedFirst"
  | "flags"
  | "criteria"
  | "ownAnswer"
  | "answers"
  | "rankedIn"
  | "systemMessage"
  | "words"
  | "sampling";

/** A count that the page of progress has a word for. */
type Count = keyof Progress & keyof typeof en.progress;

/** All that the browser knows of a kind of work. Its name, its help and its keys' title are in locales/, by its name. */
export interface Kind {
  /** What people do in it: they judge completions, write themselves, or review what others did. */
  does: "judges" | "writes" | "reviews";
  /** Its page and its part in the common frame, when its first unit comes; reviews load what they show. */
  load: (kinds: Kinds) => Promise<AnyWorkKind>;
  /** The settings that its campaigns have. */
  settings: readonly Setting[];
  /** So many completions at least and at most belong to a unit. */
  completions: readonly [least: number, most: number];
  /** What is counted on its campaigns' page of progress. */
  counts: readonly Count[];
}

export type Kinds = Record<CampaignKind, Kind>;

/** Every kind there is: app/kinds.ts lists them. */
export const KindsContext = createContext<Kinds | null>(null);

export function useKinds(): Kinds {
  const kinds = useContext(KindsContext);
  if (!kinds) throw new Error("no kinds of work are listed");
  return kinds;
}
