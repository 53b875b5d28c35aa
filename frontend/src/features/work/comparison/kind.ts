import type { Kind } from "@/lib/kinds";

export const comparison: Kind = {
  does: "judges",
  load: () => import("./work").then((module) => module.work),
  settings: ["overlap", "heldOut", "correction", "sampling"],
  completions: [2, 2],
  counts: ["num_prompts", "num_completions", "num_demonstrations", "num_rankings", "num_comparisons"],
};
