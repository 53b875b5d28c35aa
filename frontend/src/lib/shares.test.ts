import { expect, test } from "vitest";
import { isShare } from "./shares";

test("shares are told by their names", () => {
  const shares = [
    "win_rate_low",
    "eval/eos_share",
    "policy/clipfrac",
    "rewards/accuracies",
    "mfu/update",
    "accuracy",
  ];
  expect(shares.filter((name) => !isShare(name))).toEqual([]);
});

test("what only sounds like one is a number", () => {
  const numbers = ["learning_rate", "eval_calibrated_loss", "num_steps", "val/explained_variance", "loss"];
  expect(numbers.filter(isShare)).toEqual([]);
});
