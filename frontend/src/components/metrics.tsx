import { useTranslation } from "react-i18next";
import { useFormat } from "@/lib/format";
import { isShare } from "@/lib/shares";
import { type Figure, Figures } from "./figures";

/** A metric's name for people where we know it; otherwise the name it was recorded under. */
export function useMetricName() {
  const { t, i18n } = useTranslation();
  return (name: string): string => {
    const key = `metric.${name}`;
    return i18n.exists(key) ? String(i18n.t(key as "metric.score")) : t("metric.other", { name });
  };
}

export function useMetricValue() {
  const format = useFormat();
  return (name: string, value: number): string =>
    isShare(name) ? format.percent(value) : format.figure(value);
}

/** The numbers among a record's metrics, each under its name. */
export function MetricFigures({
  metrics,
  without = [],
}: {
  metrics: Record<string, unknown>;
  without?: string[];
}) {
  const nameOf = useMetricName();
  const shown = useMetricValue();
  const figures: Figure[] = Object.entries(metrics)
    .filter((entry): entry is [string, number] => typeof entry[1] === "number" && !without.includes(entry[0]))
    .map(([name, value]) => ({ label: nameOf(name), value: shown(name, value) }));
  return figures.length ? <Figures figures={figures} /> : null;
}
