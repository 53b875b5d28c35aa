import { expect, test } from "vitest";
import type { Evaluation } from "@/lib/api/types";
import { latest, verdictOf } from "./gate";

const evaluation = (id: number, created_at: string, metrics: Record<string, unknown>): Evaluation => ({
  id,
  created_at,
  metrics,
  passed: true,
  threshold: 0.5,
  reward_model: { id: 1, name: "reward-1" },
  reference: { id: 2, name: "sft-1" },
});

test("the newest evaluation counts, whatever the order of the list", () => {
  const older = evaluation(1, "2026-11-20T10:00:00Z", {});
  const newer = evaluation(2, "2026-11-21T10:00:00Z", {});
  expect(latest([newer, older])?.id).toBe(2);
  expect(latest([older, newer])?.id).toBe(2);
  expect(latest([])).toBeNull();
});

test("an interval that was not recorded is absent, not zero", () => {
  const verdict = verdictOf(evaluation(1, "", { win_rate: 0.62, win_rate_low: "?" }));
  expect(verdict).toMatchObject({ winRate: 0.62, low: null, high: null });
});
