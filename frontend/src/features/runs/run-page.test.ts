import { expect, test } from "vitest";
import type { Run } from "@/lib/api/types";
import { tabOf } from "./run-page";

const opened = (run: Partial<Run>) => tabOf({ kind: "ppo", state: "succeeded", step: 8, ...run } as Run);

test("a run opens at its curves, also on a phone", () => {
  expect([opened({}), opened({ state: "running", step: 0 }), opened({ state: "failed" })]).toEqual([
    "curves",
    "curves",
    "curves",
  ]);
});

test("what failed at once opens at its log, what only measures at its numbers", () => {
  expect(opened({ state: "failed", step: 0 })).toBe("log");
  expect([opened({ kind: "evaluate" }), opened({ kind: "sample" })]).toEqual(["numbers", "numbers"]);
});
