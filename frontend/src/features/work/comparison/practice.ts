import type { TFunction } from "i18next";
import type { Example } from "@/lib/work";

/** One answer is wrong, the other right. */
export const practice = (t: TFunction): Example => ({
  messages: [{ role: "user", content: t("practice.comparison.prompt") }],
  completions: [t("practice.comparison.wrong"), t("practice.comparison.good")],
});
