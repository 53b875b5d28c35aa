import type { WorkKind } from "@/lib/work";
import { inWords, missing, type RankingContent, read, restore, submission } from "./content";
import { RankingPage } from "./ranking-page";

export const work: WorkKind<RankingContent> = {
  read,
  restore,
  missing,
  submission,
  inWords,
  Page: RankingPage,
};
