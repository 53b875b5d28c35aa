import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import type { WorkProps } from "@/lib/work";
import { HIGHEST_RATING, letterOf, type RankingContent, ratingOf } from "./content";
import { OrderStep } from "./order-step";
import { RateStep } from "./rate-step";

/** Read each completion, rate it, and order them all; where the campaign asks so, each is rated alone before. */
export function RankingPage(props: WorkProps<RankingContent>) {
  const { assignment, content, change, announce } = props;
  const { t } = useTranslation();

  const rate = useCallback(
    (id: number, value: number | null) => {
      change((before) => ({
        ...before,
        ratings: { ...before.ratings, [id]: { ...ratingOf(before, id), value } },
      }));
      const letter = letterOf(assignment, id);
      announce(
        value
          ? t("ranking.rated", { letter, value, highest: HIGHEST_RATING })
          : t("ranking.unrated", { letter }),
      );
    },
    [assignment, change, announce, t],
  );

  const flag = useCallback(
    (id: number, name: string) =>
      change((before) => {
        const { flags, value } = ratingOf(before, id);
        const next = flags.includes(name) ? flags.filter((other) => other !== name) : [...flags, name];
        return { ...before, ratings: { ...before.ratings, [id]: { value, flags: next } } };
      }),
    [change],
  );

  const turnTo = (isOrdering: boolean) => change((before) => ({ ...before, is_ordering: isOrdering }));
  if (assignment.campaign.is_rated_first && !content.is_ordering) {
    return <RateStep {...props} rate={rate} flag={flag} onOrder={() => turnTo(true)} />;
  }
  return <OrderStep {...props} rate={rate} flag={flag} onRateAgain={() => turnTo(false)} />;
}
