import type { WorkKind } from "@/lib/work";
import { type DemonstrationContent, inWords, missing, read, restore, submission } from "./content";
import { DemonstrationPage } from "./demonstration-page";
import { DemonstrationReading } from "./demonstration-reading";
import { practice } from "./practice";

export const work: WorkKind<DemonstrationContent> = {
  read,
  restore,
  missing,
  submission,
  inWords,
  practice,
  Page: DemonstrationPage,
  Reading: DemonstrationReading,
};
