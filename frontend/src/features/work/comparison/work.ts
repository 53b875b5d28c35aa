import { type Choice, choiceInWords } from "@/lib/choice";
import type { WorkKind } from "@/lib/work";
import { ComparisonPage } from "./comparison-page";
import { missing, read, submission } from "./content";

export const work: WorkKind<Choice> = {
  read,
  restore: read,
  missing,
  submission,
  inWords: choiceInWords,
  Page: ComparisonPage,
};
