import type { WorkKind } from "@/lib/work";
import { BestWorstPage, BestWorstReading } from "./best-worst-page";
import { type BestWorst, inWords, missing, read, submission } from "./content";
import { practice } from "./practice";

export const work: WorkKind<BestWorst> = {
  read,
  restore: read,
  missing,
  submission,
  inWords,
  practice,
  Page: BestWorstPage,
  Reading: BestWorstReading,
};
