import type { WorkKind } from "@/lib/work";
import { doubts, inWords, missing, type RankingContent, read, restore, submission } from "./content";
import { OrderStrip } from "./order-strip";
import { practice } from "./practice";
import { RankingPage } from "./ranking-page";
import { RankingReading } from "./ranking-reading";

export const work: WorkKind<RankingContent> = {
  read,
  restore,
  missing,
  doubts,
  submission,
  inWords,
  practice,
  Page: RankingPage,
  Reading: RankingReading,
  Foot: OrderStrip,
};
