import { useTranslation } from "react-i18next";
import { Interval } from "@/components/figures/figures";
import { StateBadge } from "@/components/state-badge";
import type { Evaluation } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { verdictOf } from "./gate";

/** An evaluation's win rate with its interval and the gate's line, and the same in a sentence. */
export function WinRate({ evaluation }: { evaluation: Evaluation }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { winRate, low, high, threshold, passed } = verdictOf(evaluation);
  if (winRate === null || low === null || high === null)
    return <StateBadge state={passed ? "done" : "failed"} />;
  const words = t("gate.winRate", {
    rate: format.percent(winRate),
    low: format.percent(low),
    high: format.percent(high),
    reference: evaluation.reference.name,
  });
  return (
    <div>
      <p style={{ margin: "0 0 0.25rem" }}>{words}</p>
      <Interval low={low} high={high} value={winRate} threshold={threshold} label={words} />
      <p style={{ margin: "0.25rem 0 0" }}>
        {passed
          ? t("gate.passed", { threshold: format.percent(threshold) })
          : t("gate.refused", { threshold: format.percent(threshold) })}
      </p>
    </div>
  );
}
