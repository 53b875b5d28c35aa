import { useTranslation } from "react-i18next";
import type { Assignment } from "@/lib/api/types";
import { letterOf } from "./content";
import { type Rows, standingOf } from "./tiers";

/** "Completion C, tier 2 of 3, tied with A": the same words for the eye, for screen readers and for the live region. */
export function useStandingInWords(assignment: Assignment) {
  const { t, i18n } = useTranslation();
  const list = new Intl.ListFormat(i18n.language, { type: "conjunction" });
  return (rows: Rows, id: number): string => {
    const letter = letterOf(assignment, id);
    const standing = standingOf(rows, id);
    if (!standing) return t("ranking.standing.none", { letter });
    const { tier, numTiers, tiedWith } = standing;
    if (tiedWith.length === 0) return t("ranking.standing.alone", { letter, tier, numTiers });
    const others = list.format(tiedWith.map((other) => letterOf(assignment, other)));
    return t("ranking.standing.tied", { letter, tier, numTiers, others });
  };
}
