import type { Evaluation } from "@/lib/api/types";

/** What an evaluation says about the gate; the numbers are absent where the job recorded none. */
export interface Verdict {
  passed: boolean;
  threshold: number;
  winRate: number | null;
  low: number | null;
  high: number | null;
}

export function verdictOf(evaluation: Evaluation): Verdict {
  const number = (name: string) => {
    const value = evaluation.metrics[name];
    return typeof value === "number" ? value : null;
  };
  return {
    passed: evaluation.passed,
    threshold: evaluation.threshold,
    winRate: number("win_rate"),
    low: number("win_rate_low"),
    high: number("win_rate_high"),
  };
}

/** The evaluation the gate goes by: the newest. */
export function latest(evaluations: readonly Evaluation[]): Evaluation | null {
  return [...evaluations].sort((a, b) => b.created_at.localeCompare(a.created_at))[0] ?? null;
}
