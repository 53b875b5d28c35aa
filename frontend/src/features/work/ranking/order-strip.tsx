import { ArrowDown } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { WorkProps } from "@/lib/work";
import { idsOf, letterOf, type RankingContent } from "./content";
import classes from "./ranking.module.css";
import { rowOf, toTiers } from "./tiers";

/** Where the shelf is not in sight beside the completions: how they stand, "A = C > B", and the way to the shelf. */
export function OrderStrip({ assignment, content }: WorkProps<RankingContent>) {
  const { t } = useTranslation();
  if (assignment.campaign.is_rated_first && !content.is_ordering) return null;
  const named = (ids: readonly number[]) => ids.map((id) => letterOf(assignment, id));
  const ordered = toTiers(content.rows)
    .map((tier) => named(tier).join(" = "))
    .join(" > ");
  const left = named(idsOf(assignment, content.own_answer).filter((id) => rowOf(content.rows, id) < 0));
  return (
    <button
      type="button"
      className={classes.strip}
      aria-label={t("ranking.toBoard")}
      onClick={() => document.getElementById("order")?.scrollIntoView({ block: "start" })}
    >
      <strong>{ordered || t("ranking.board")}</strong>
      {left.length > 0 && (
        <span>
          {t("ranking.notOrdered")} {left.join(" ")}
        </span>
      )}
      <ArrowDown size={16} aria-hidden="true" />
    </button>
  );
}
