import { useTranslation } from "react-i18next";
import type { Assignment } from "@/lib/api/types";
import type { KeyBinding } from "@/lib/keyboard/use-keys";
import { HIGHEST_RATING, OWN } from "./content";
import { digits } from "./keys";
import { place, tieWithAbove, unplace } from "./tiers";
import type { Ordering } from "./use-ordering";

interface Deeds {
  ordering: Ordering;
  current: number;
  /** How many there are to be ordered. */
  count: number;
  rate: (id: number, value: number | null) => void;
  toFlags: () => void;
  write: () => void;
}

/** The keys that order, rate and flag the completion in hand. */
export function useOrderKeys({ campaign }: Assignment, deeds: Deeds): KeyBinding[] {
  const { t } = useTranslation();
  const { ordering, current, rate } = deeds;
  const most = Math.min(9, deeds.count);
  return [
    {
      keys: digits(1, most),
      shownAs: `1 … ${most}`,
      label: t("ranking.keys.tier"),
      run: (event) =>
        ordering.order(current, (rows) => place(rows, current, Number(event.code.slice(-1)) - 1)),
    },
    {
      keys: digits(0, HIGHEST_RATING).map((key) => `shift+${key}`),
      shownAs: `⇧ 1 … ⇧ ${HIGHEST_RATING}`,
      label: t("ranking.keys.rate"),
      run: (event) => current !== OWN && rate(current, Number(event.code.slice(-1)) || null),
    },
    { keys: [], shownAs: "↑ ↓", label: t("ranking.keys.step"), run: () => undefined },
    {
      keys: "=",
      label: t("ranking.keys.tie"),
      run: () => ordering.order(current, (rows) => tieWithAbove(rows, current)),
    },
    {
      keys: ["Digit0", "Backspace"],
      label: t("ranking.keys.off"),
      run: () => ordering.order(current, (rows) => unplace(rows, current)),
    },
    { keys: "mod+z", label: t("ranking.keys.undo"), run: ordering.undo },
    { keys: "shift+Backspace", label: t("ranking.keys.clear"), run: ordering.clear },
    { keys: "n", label: t("ranking.allBad"), run: ordering.toggleAllBad },
    ...(campaign.flags.length > 0 ? [{ keys: ".", label: t("ranking.keys.flags"), run: deeds.toFlags }] : []),
    ...(campaign.own_answer === "off"
      ? []
      : [{ keys: "w", label: t("ranking.own.write"), run: deeds.write }]),
  ];
}
