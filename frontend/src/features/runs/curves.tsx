import { useQuery, useQueryClient } from "@tanstack/react-query";
import { memo, useEffect } from "react";
import { useTranslation } from "react-i18next";
import { CartesianGrid, Line, LineChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import { useMetricName, useMetricValue } from "@/components/figures/metrics";
import { Empty, ProblemNote, Waiting } from "@/components/notes";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { inOrder, isShare, roundSteps } from "@/lib/metrics";
import { type MetricRow, readMetrics } from "./api";
import { CURVE_GROUPS, groupOf, metricNames, pointsOf } from "./metric-rows";
import classes from "./runs.module.css";

/** Every metric as a curve over the steps; only what is new is asked for while the run goes on. */
export function Curves({ runId, attempt, isLive }: { runId: number; attempt: number; isLive: boolean }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  // An attempt that resumes from a checkpoint writes some steps anew.
  const key = keys.metrics(runId, attempt);
  const metrics = useQuery({
    queryKey: key,
    queryFn: async () => {
      const known = queryClient.getQueryData<MetricRow[]>(key) ?? [];
      const lastStep = known.at(-1)?.step ?? -1;
      // The last step is asked for again: an evaluation may have added a row to it.
      const fresh = await readMetrics(runId, lastStep - 1);
      return [...known.filter((row) => row.step < lastStep), ...fresh];
    },
    refetchInterval: isLive ? 2000 : false,
  });
  // The rows written between the last look and the end.
  const { refetch } = metrics;
  useEffect(() => {
    if (!isLive) void refetch();
  }, [isLive, refetch]);

  if (metrics.isPending) return <Waiting lines={5} />;
  if (!metrics.data) return <ProblemNote error={metrics.error} retry={() => void metrics.refetch()} />;
  const names = metricNames(metrics.data).sort(inOrder);
  if (!names.length) {
    return <Empty title={t("runs.noCurves")}>{isLive && t("runs.noCurvesYet")}</Empty>;
  }
  const groups = CURVE_GROUPS.map((group) => ({
    group,
    own: names.filter((name) => groupOf(name) === group),
  })).filter(({ own }) => own.length > 0);
  return (
    <>
      {groups.map(({ group, own }) => (
        <section key={group} className={classes.curveGroup}>
          <h2>{t(`runs.curveGroup.${group}`)}</h2>
          <div className={classes.curves}>
            {own.map((name) => (
              <Curve key={name} name={name} rows={metrics.data} />
            ))}
          </div>
        </section>
      ))}
      <MetricTable names={names} rows={metrics.data} />
    </>
  );
}

const Curve = memo(function Curve({ name, rows }: { name: string; rows: MetricRow[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const nameOf = useMetricName();
  const shownAs = useMetricValue();
  const points = pointsOf(rows, name);
  const last = points.at(-1);
  const axis = { fontSize: 12, fill: "var(--quiet)" };
  return (
    <figure className={classes.curve} style={{ margin: 0 }}>
      <h3>
        {nameOf(name)} <span>{last && shownAs(name, last.value)}</span>
      </h3>
      <div dir="ltr" role="img" aria-label={t("runs.curveOf", { name: nameOf(name), count: points.length })}>
        <ResponsiveContainer width="100%" height={180}>
          <LineChart
            data={points}
            margin={{ top: 8, right: 8, bottom: 0, left: 0 }}
            accessibilityLayer={false}
          >
            <CartesianGrid stroke="var(--line)" vertical={false} />
            <XAxis
              dataKey="step"
              type="number"
              domain={["dataMin", "dataMax"]}
              ticks={roundSteps(points[0]?.step ?? 0, last?.step ?? 0)}
              tick={axis}
              tickFormatter={(step: number) => format.number(step)}
              stroke="var(--line-strong)"
              tickLine={false}
              minTickGap={24}
            />
            <YAxis
              width={56}
              domain={scaleOf(name, points)}
              tick={axis}
              tickFormatter={(value: number) => shownAs(name, value)}
              axisLine={false}
              tickLine={false}
            />
            <Tooltip
              isAnimationActive={false}
              content={({ active, payload, label }) =>
                active ? <Exact name={name} step={Number(label)} value={Number(payload?.[0]?.value)} /> : null
              }
            />
            <Line
              dataKey="value"
              type="linear"
              stroke="var(--accent)"
              strokeWidth={2}
              dot={points.length < 3}
              isAnimationActive={false}
            />
          </LineChart>
        </ResponsiveContainer>
      </div>
    </figure>
  );
});

/** What never changes has no scale of its own: a share is drawn within 0 and 100 %, all else from 0 on. */
function scaleOf(name: string, points: { value: number }[]): [number, number] | ["auto", "auto"] {
  const value = points[0]?.value ?? 0;
  if (points.some((point) => point.value !== value)) return ["auto", "auto"];
  if (isShare(name)) return [0, 1];
  return value === 0 ? ["auto", "auto"] : [Math.min(0, 2 * value), Math.max(0, 2 * value)];
}

function Exact({ name, step, value }: { name: string; step: number; value: number }) {
  const { t } = useTranslation();
  const format = useFormat();
  const shownAs = useMetricValue();
  return (
    <div className={classes.tooltip}>
      {t("runs.atStep", { step: format.number(step), value: shownAs(name, value) })}
    </div>
  );
}

/** More rows than this make a page slow, and nobody reads them. */
const MOST_ROWS = 200;

function MetricTable({ names, rows }: { names: string[]; rows: MetricRow[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const nameOf = useMetricName();
  return (
    <details style={{ marginTop: "2rem" }}>
      <summary className={classes.quiet}>{t("common.asTable")}</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table is scrolled by keyboard */}
      <div className={classes.scroll} tabIndex={0}>
        <table className={classes.table}>
          <thead>
            <tr>
              <th>{t("runs.step")}</th>
              {names.map((name) => (
                <th key={name}>{nameOf(name)}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(-MOST_ROWS).map((row, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: rows have no id, and a step may have several
              <tr key={index}>
                <td>{format.number(row.step)}</td>
                {names.map((name) => {
                  const value = row[name];
                  return <td key={name}>{typeof value === "number" ? format.figure(value) : ""}</td>;
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > MOST_ROWS && (
        <p className={classes.quiet}>
          {t("runs.lastRows", { shown: format.number(MOST_ROWS), count: rows.length })}
        </p>
      )}
    </details>
  );
}
