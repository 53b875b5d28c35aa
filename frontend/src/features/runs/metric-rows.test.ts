import { expect, test } from "vitest";
import { groupOf, metricNames, pointsOf } from "./metric-rows";

const rows = [
  { step: 1, time: 10, loss: 2.5 },
  { step: 2, time: 11, loss: null, accuracy: 0.5 },
  { step: 3, time: 12, loss: 2, note: "text" },
];

test("every number is a metric, step and time and text are not", () => {
  expect(metricNames(rows)).toEqual(["loss", "accuracy"]);
});

test("a curve has a point only where the metric was recorded", () => {
  expect(pointsOf(rows, "loss")).toEqual([
    { step: 1, value: 2.5 },
    { step: 3, value: 2 },
  ]);
  expect(pointsOf(rows, "accuracy")).toEqual([{ step: 2, value: 0.5 }]);
});

test("curves stand together by what they are about", () => {
  const groups = [
    "objective/kl",
    "loss",
    "eval/kl",
    "eval_loss",
    "val/clipfrac",
    "lr",
    "mfu",
    "mfu/update",
  ].map(groupOf);
  expect(groups).toEqual(["learnt", "learnt", "heldOut", "heldOut", "updates", "updates", "speed", "speed"]);
});
