import type { WorkKind } from "@/lib/work";
import { BestWorstPage, BestWorstReading } from "./best-worst-page";
import { type BestWorst, inWords, missing, read, submission } from "./content";

export const work: WorkKind<BestWorst> = {
  read,
  restore: read,
  missing,
  submission,
  inWords,
  Page: BestWorstPage,
  Reading: BestWorstReading,
};
