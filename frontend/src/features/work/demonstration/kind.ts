import type { Kind } from "@/lib/kinds";

export const demonstration: Kind = {
  does: "writes",
  load: () => import("./work").then((module) => module.work),
  settings: ["overlap", "heldOut", "correction", "systemMessage", "words", "sampling"],
  completions: [1, 9],
  counts: ["num_prompts", "num_demonstrations", "num_rankings", "num_comparisons"],
};
