import { useCallback } from "react";
import { useTranslation } from "react-i18next";

/** "wrong_language" as it is read: "Wrong language". */
export function nameInWords(name: string, language: string): string {
  const words = name.replaceAll("_", " ").trim();
  return words.charAt(0).toLocaleUpperCase(language) + words.slice(1);
}

/** Known flags and criteria are translated; a campaign's own are shown in its own words. */
export function useNames() {
  const { t, i18n } = useTranslation();
  const flagNamed = useCallback(
    (flag: string) =>
      i18n.exists(`flag.${flag}`)
        ? String(t(`flag.${flag}` as "flag.untrue"))
        : nameInWords(flag, i18n.language),
    [t, i18n],
  );
  const criterionNamed = useCallback(
    (name: string) =>
      i18n.exists(`criterion.${name}`)
        ? nameInWords(String(t(`criterion.${name}` as "criterion.helpful")), i18n.language)
        : nameInWords(name, i18n.language),
    [t, i18n],
  );
  return { flagNamed, criterionNamed };
}
