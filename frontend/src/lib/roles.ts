import type { TFunction } from "i18next";

const NAMED = ["assistant", "system", "tools", "tool_call", "tool", "reasoning"] as const;

/** "Person", "Assistant", "Instructions"; another role is shown as it is called. */
export function roleInWords(role: string, t: TFunction): string {
  if (role === "user" || role === "prompter") return t("dialogue.user");
  const named = NAMED.find((name) => name === role);
  return named ? t(`dialogue.${named}`) : role;
}
