import type { Kind } from "@/lib/kinds";

export const ranking: Kind = {
  does: "judges",
  load: () => import("./work").then((module) => module.work),
  settings: [
    "overlap",
    "completions",
    "heldOut",
    "correction",
    "ratedFirst",
    "flags",
    "criteria",
    "ownAnswer",
    "sampling",
  ],
  completions: [2, 9],
  counts: ["num_prompts", "num_completions", "num_demonstrations", "num_rankings", "num_comparisons"],
};
