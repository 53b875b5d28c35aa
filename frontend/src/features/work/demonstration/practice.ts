import type { TFunction } from "i18next";
import type { Example } from "@/lib/work";

/** Somebody asks, and an answer is to be written. */
export const practice = (t: TFunction): Example => ({
  messages: [{ role: "user", content: t("practice.demonstration.prompt") }],
});
