import type { WorkKind } from "@/lib/work";
import { inWords, missing, type RankingContent, read, submission } from "./content";
import { RankingPage } from "./ranking-page";

export const work: WorkKind<RankingContent> = { read, missing, submission, inWords, Page: RankingPage };
