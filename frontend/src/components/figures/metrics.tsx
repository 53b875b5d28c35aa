import { useTranslation } from "react-i18next";
import { useFormat } from "@/lib/format";
import {
  decidingOf,
  FIGURE_GROUPS,
  figuresOf,
  groupOfFigure,
  isShare,
  type MetricFigure,
} from "@/lib/metrics";
import { type Figure, Figures, Interval } from "./figures";
import classes from "./figures.module.css";

type Metrics = Record<string, unknown>;
/** An even chance: what a win rate, or a reward model's accuracy, is held against. */
const EVEN = 0.5;
/** How many of the next figures stand beside the deciding one. */
const BESIDE = 3;

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

/** A figure as it is shown: its name, its value, and its interval in words. */
function useFigure() {
  const { t } = useTranslation();
  const nameOf = useMetricName();
  const shown = useMetricValue();
  return ({ name, value, low, high }: MetricFigure): Figure => ({
    label: nameOf(name),
    value: shown(name, value),
    note:
      low === null || high === null
        ? undefined
        : t("metric.interval", { low: shown(name, low), high: shown(name, high) }),
  });
}

/** What a run came to at a glance: the figure that decides, large and with its interval, and the next few. */
export function Headline({ metrics }: { metrics: Metrics }) {
  const figureOf = useFigure();
  const deciding = decidingOf(metrics);
  if (!deciding) return null;
  const { label, value, note } = figureOf(deciding);
  const { name, low, high } = deciding;
  const beside = figuresOf(metrics)
    .filter((figure) => figure.name !== name && groupOfFigure(figure.name) === "result")
    .slice(0, BESIDE);
  return (
    <div className={classes.headline}>
      <dl className={classes.deciding}>
        <dt>{label}</dt>
        <dd>
          {value}
          {note && <small>{note}</small>}
        </dd>
      </dl>
      {isShare(name) && low !== null && high !== null && (
        <Interval low={low} high={high} value={deciding.value} threshold={EVEN} label={`${label}: ${note}`} />
      )}
      {beside.length > 0 && <Figures figures={beside.map(figureOf)} />}
    </div>
  );
}

/** All numbers among a record's metrics, by what they are about, in the one order of lib/metrics.ts. */
export function MetricFigures({ metrics, heading: Heading }: { metrics: Metrics; heading: "h2" | "h3" }) {
  const { t } = useTranslation();
  const figureOf = useFigure();
  const figures = figuresOf(metrics);
  const groups = FIGURE_GROUPS.map((group) => ({
    group,
    own: figures.filter(({ name }) => groupOfFigure(name) === group),
  })).filter(({ own }) => own.length > 0);
  return (
    <div className={classes.groups}>
      {groups.map(({ group, own }) => (
        <section key={group}>
          <Heading>{t(`metric.group.${group}`)}</Heading>
          <Figures figures={own.map(figureOf)} />
        </section>
      ))}
    </div>
  );
}

/** The figure that decides in a line, for a table: its value with its name. */
export function DecidingFigure({ metrics }: { metrics: Metrics }) {
  const figureOf = useFigure();
  const deciding = decidingOf(metrics);
  if (!deciding) return null;
  const { label, value, note } = figureOf(deciding);
  return (
    <>
      <span className={classes.value}>{value}</span>
      <span className={classes.label} title={note}>
        {label}
      </span>
    </>
  );
}
