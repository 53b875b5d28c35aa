import type { WorkKind } from "@/lib/work";
import { type DemonstrationContent, inWords, missing, read, submission } from "./content";
import { DemonstrationPage } from "./demonstration-page";

export const work: WorkKind<DemonstrationContent> = {
  read,
  missing,
  submission,
  inWords,
  Page: DemonstrationPage,
};
