import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import type { Assignment } from "@/lib/api/types";
import { useNames } from "@/lib/use-names";
import { letterOf } from "./content";
import { type Rows, standingOf } from "./tiers";

/**
 * "Completion C, tier 2 of 3, tied with A": the same words for the eye, for screen readers and for the live region.
 * `criterion` is named where it is not the overall order.
 */
export function useStandingInWords(assignment: Assignment) {
  const { t, i18n } = useTranslation();
  const { criterionNamed } = useNames();
  return useCallback(
    (rows: Rows, id: number, criterion = ""): string => {
      const letter = letterOf(assignment, id);
      const standing = standingOf(rows, id);
      let words = t("ranking.standing.none", { letter });
      if (standing) {
        const { tier, numTiers, tiedWith } = standing;
        const list = new Intl.ListFormat(i18n.language, { type: "conjunction" });
        const others = list.format(tiedWith.map((other) => letterOf(assignment, other)));
        words = others
          ? t("ranking.standing.tied", { letter, tier, numTiers, others })
          : t("ranking.standing.alone", { letter, tier, numTiers });
      }
      return criterion
        ? t("ranking.standing.for", { criterion: criterionNamed(criterion), standing: words })
        : words;
    },
    [assignment, t, i18n.language, criterionNamed],
  );
}
