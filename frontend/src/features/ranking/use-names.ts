import { useCallback } from "react";
import { useTranslation } from "react-i18next";

/** Known flags and criteria are translated; a campaign's own are shown as written. */
export function useNames() {
  const { t, i18n } = useTranslation();
  const flagNamed = useCallback(
    (flag: string) =>
      i18n.exists(`flag.${flag}`) ? String(t(`flag.${flag}` as "flag.untrue")) : flag.replaceAll("_", " "),
    [t, i18n],
  );
  const criterionNamed = useCallback(
    (name: string) =>
      i18n.exists(`criterion.${name}`) ? String(t(`criterion.${name}` as "criterion.helpful")) : name,
    [t, i18n],
  );
  return { flagNamed, criterionNamed };
}
