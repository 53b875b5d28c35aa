import type { TFunction } from "i18next";

/** "Person", "Assistant", "Instructions"; another role is shown as it is called. */
export function roleInWords(role: string, t: TFunction): string {
  if (role === "user" || role === "prompter") return t("dialogue.user");
  if (role === "assistant") return t("dialogue.assistant");
  return role === "system" ? t("dialogue.system") : role;
}
