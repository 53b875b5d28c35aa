import type { MetricRow } from "./api";

const NOT_METRICS = new Set(["step", "time"]);

/** The names of the numbers that rows carry, in the order in which they first appear. */
export function metricNames(rows: readonly MetricRow[]): string[] {
  const names = new Set<string>();
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      if (typeof value === "number" && !NOT_METRICS.has(name)) names.add(name);
    }
  }
  return [...names];
}

/** One metric's points. A row that does not carry it, or not as a finite number, has none. */
export function pointsOf(rows: readonly MetricRow[], name: string): { step: number; value: number }[] {
  return rows.flatMap((row) => {
    const value = row[name];
    return typeof value === "number" && Number.isFinite(value) ? [{ step: row.step, value }] : [];
  });
}
