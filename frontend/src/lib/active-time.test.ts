import { expect, test } from "vitest";
import { makeActiveTime } from "./active-time";

test("only time in sight, of somebody who is there, counts; a clock that is set back takes nothing away", () => {
  let at = 1000;
  const time = makeActiveTime(() => at);
  const pass = (ms: number, isVisible = true) => {
    at += ms;
    time.tick(isVisible);
  };
  pass(2000);
  expect(time.seconds()).toBe(2);
  pass(5000, false);
  expect(time.seconds()).toBe(2);
  pass(-600_000);
  expect(time.seconds()).toBe(2);
  time.touch();
  pass(3000);
  expect(time.seconds()).toBe(5);
  pass(60_000); // nobody is there any more
  pass(1000);
  expect(time.seconds()).toBe(5);
  expect(time.idleFor()).toBe(64_000);
});
