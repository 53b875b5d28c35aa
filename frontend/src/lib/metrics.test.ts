import { expect, test } from "vitest";
import english from "@/locales/en.json";
import { decidingOf, figuresOf, groupOfFigure, isShare, NAMES, roundSteps } from "./metrics";

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

const evaluation = {
  kl: 6,
  mfu: 0.2,
  score: 1.4,
  kl_low: 5,
  kl_high: 7,
  win_rate: 0.62,
  peak_flops: 1e11,
  win_rate_low: 0.55,
  win_rate_high: 0.69,
  num_prompts: 40,
  zeal: 2,
  ardour: 1,
  win_rate_by: { language: {} },
};

test("figures stand in an order that means something, whatever the database's", () => {
  const names = figuresOf(evaluation).map(({ name }) => name);
  expect(names).toEqual(["win_rate", "score", "kl", "num_prompts", "mfu", "peak_flops", "ardour", "zeal"]);
});

test("an interval is one figure", () => {
  expect(figuresOf(evaluation)[0]).toEqual({ name: "win_rate", value: 0.62, low: 0.55, high: 0.69 });
  expect(figuresOf({ kl_low: 5 }).map(({ name }) => name)).toEqual(["kl_low"]);
});

test("each kind of run has the figure that decides first", () => {
  expect(decidingOf(evaluation)?.name).toBe("win_rate");
  expect(decidingOf({ loss: 0.5, accuracy: 0.7, eval_loss: 0.6 })?.name).toBe("accuracy");
  expect(decidingOf({ kl: 3, score: 1, eval_score: 0.9, first_score: 0 })?.name).toBe("eval_score");
  expect(decidingOf({ train_loss: 1, eval_loss: 1.2, num_steps: 9 })?.name).toBe("eval_loss");
  expect(decidingOf({})).toBeNull();
});

test("speed stands apart, and a count nobody knew is data", () => {
  expect(["seconds", "mfu/rollout", "num_left_out_odd", "zeal"].map(groupOfFigure)).toEqual([
    "speed",
    "speed",
    "data",
    "other",
  ]);
});

test("every figure that we know has a name for people", () => {
  expect(NAMES.filter((name) => !(name in english.metric))).toEqual([]);
  expect(english.metric.prompt_length).toBe("Length of the prompt");
});

test("an axis of steps has round numbers, each once", () => {
  expect(roundSteps(4, 64)).toEqual([20, 40, 60]);
  expect(roundSteps(1, 3)).toEqual([1, 2, 3]);
  expect(roundSteps(1, 2000)).toEqual([500, 1000, 1500, 2000]);
  expect(roundSteps(7, 7)).toEqual([7]);
});
