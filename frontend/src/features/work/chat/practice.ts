import type { TFunction } from "i18next";
import type { Example } from "@/lib/work";

/** The person has asked; two answers come, and after them one that says that this is all. */
export const practice = (t: TFunction): Example => ({
  messages: [{ role: "user", content: t("practice.chat.prompt") }],
  answers: [t("practice.chat.good"), t("practice.chat.long"), t("practice.chat.last")],
});
