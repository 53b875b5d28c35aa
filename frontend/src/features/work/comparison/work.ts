import { type Choice, choiceInWords } from "@/lib/choice";
import type { WorkKind } from "@/lib/work";
import { ComparisonPage } from "./comparison-page";
import { missing, read, submission } from "./content";
import { practice } from "./practice";

export const work: WorkKind<Choice> = {
  read,
  restore: read,
  missing,
  submission,
  inWords: choiceInWords,
  practice,
  Page: ComparisonPage,
};
