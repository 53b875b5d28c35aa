import type { TFunction } from "i18next";
import type { Example } from "@/lib/work";

/** The answers that are ranked in the practice of rankings. */
export const practice = (t: TFunction): Example => ({
  messages: [{ role: "user", content: t("practice.ranking.prompt") }],
  completions: [t("practice.ranking.empty"), t("practice.ranking.wrong"), t("practice.ranking.good")],
});
