import type { WorkKind } from "@/lib/work";
import { BestWorstPage, BestWorstReading } from "./best-worst-page";
import { type BestWorst, inWords, missing, read, submission } from "./content";

export const work: WorkKind<BestWorst> = {
  read,
  restore: read,
  missing,
  submission,
  inWords,
  /** The answers that are ranked in the practice of rankings. */
  practice: (t) => ({
    messages: [{ role: "user", content: t("practice.ranking.prompt") }],
    completions: [t("practice.ranking.empty"), t("practice.ranking.wrong"), t("practice.ranking.good")],
  }),
  Page: BestWorstPage,
  Reading: BestWorstReading,
};
