import type { Kind } from "@/lib/kinds";

export const best_worst: Kind = {
  does: "judges",
  load: () => import("./work").then((module) => module.work),
  settings: ["overlap", "completions", "heldOut", "correction", "sampling"],
  completions: [3, 9],
  counts: ["num_prompts", "num_completions", "num_demonstrations", "num_rankings", "num_comparisons"],
};
