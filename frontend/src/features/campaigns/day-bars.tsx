import { useTranslation } from "react-i18next";
import { useFormat } from "@/lib/format";
import classes from "./campaigns.module.css";

interface Day {
  date: string;
  num_submitted: number;
}

const DAY_MS = 86_400_000;
const MOST_DAYS = 30;
const FEWEST_DAYS = 7;

/**
 * The days since the first (UTC), a week at least and thirty at most, with their gaps: a quiet day is seen as one.
 */
export function lastDays(days: readonly Day[], today: string): Day[] {
  const known = new Map(days.map((day) => [day.date, day.num_submitted]));
  const end = Date.parse(`${today}T00:00:00Z`);
  const first = Math.min(...days.map(({ date }) => Date.parse(`${date}T00:00:00Z`)), end);
  const count = Math.min(MOST_DAYS, Math.max(FEWEST_DAYS, (end - first) / DAY_MS + 1));
  return Array.from({ length: count }, (_, index) => {
    const date = new Date(end - (count - 1 - index) * DAY_MS).toISOString().slice(0, 10);
    return { date, num_submitted: known.get(date) ?? 0 };
  });
}

/** Submissions by day: a picture first, the same numbers in a table. */
export function DayBars({ days }: { days: readonly Day[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const shown = lastDays(days, new Date().toISOString().slice(0, 10));
  const most = Math.max(...shown.map((day) => day.num_submitted), 1);
  return (
    <>
      <div className={classes.bars} aria-hidden="true">
        <span className={classes.most}>{format.number(most)}</span>
        {shown.map((day) => (
          <div key={day.date} title={`${format.day(day.date)}: ${format.number(day.num_submitted)}`}>
            <div
              style={{ height: `${(day.num_submitted / most) * 100}%` }}
              data-none={!day.num_submitted || undefined}
            />
          </div>
        ))}
      </div>
      <div className={classes.barEnds} aria-hidden="true">
        <span>{format.day(shown[0]?.date ?? "")}</span>
        <span>{format.day(shown.at(-1)?.date ?? "")}</span>
      </div>
      <details className={classes.asTable}>
        <summary>{t("common.asTable")}</summary>
        <table>
          <thead>
            <tr>
              <th>{t("progress.day")}</th>
              <th>{t("progress.submitted")}</th>
            </tr>
          </thead>
          <tbody>
            {days.map((day) => (
              <tr key={day.date}>
                <td>{format.day(day.date)}</td>
                <td>{format.number(day.num_submitted)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </>
  );
}
