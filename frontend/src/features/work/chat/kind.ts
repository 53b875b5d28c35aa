import type { Kind } from "@/lib/kinds";

export const chat: Kind = {
  does: "writes",
  load: () => import("./work").then((module) => module.work),
  settings: ["overlap", "heldOut", "correction", "answers", "ownAnswer", "rankedIn", "sampling"],
  completions: [1, 2],
  counts: ["num_prompts", "num_demonstrations", "num_rankings", "num_comparisons"],
};
