import type { WorkKind } from "@/lib/work";
import { ComparisonPage } from "./comparison-page";
import { type ComparisonContent, inWords, missing, read, submission } from "./content";

export const work: WorkKind<ComparisonContent> = {
  read,
  restore: read,
  missing,
  submission,
  inWords,
  Page: ComparisonPage,
};
