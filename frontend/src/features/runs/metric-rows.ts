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

/** The parts of a run's page that curves stand in, first to last. */
export const CURVE_GROUPS = ["learnt", "heldOut", "updates", "speed"] as const;

const IN_GROUP = {
  heldOut: /^eval[_/]/,
  updates: /^(policy|val|loss|rollout)\/|^(lr|learning_rate|grad_norm)$/,
  speed: /^(seconds|mfu)(\/|$)|^(eps|episode|epoch|num_tokens|tokens_per_second)$/,
};

/** Which of them a metric belongs to, by its name. */
export function groupOf(name: string): (typeof CURVE_GROUPS)[number] {
  for (const group of ["heldOut", "updates", "speed"] as const) if (IN_GROUP[group].test(name)) return group;
  return "learnt";
}

/** One metric's points. A row that does not carry it, or not as a finite number, has none. */
export function pointsOf(rows: readonly MetricRow[], name: string): { step: number; value: number }[] {
  return rows.flatMap((row) => {
    const value = row[name];
    return typeof value === "number" && Number.isFinite(value) ? [{ step: row.step, value }] : [];
  });
}
