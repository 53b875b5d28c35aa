import { expect, test } from "vitest";
import { ariaKey, ownKey, SINGLE_KEYS, setOwnKeys, withOwnKey } from "./own-keys";

test("one's own key stands in the place of ours, everywhere", () => {
  setOwnKeys({ s: "q" });
  expect([ownKey("s"), ownKey("g"), ariaKey("s")]).toEqual(["q", "g", "Q"]);
  setOwnKeys({});
});

test("no key does two things", () => {
  expect(new Set(SINGLE_KEYS.map(({ key }) => key)).size).toBe(SINGLE_KEYS.length);
  expect(withOwnKey({}, "s", "G")).toBeNull();
  expect(withOwnKey({ g: "h" }, "s", "h")).toBeNull();
  expect(withOwnKey({ g: "h" }, "s", "g")).toEqual({ g: "h", s: "g" });
});

test("digits, spaces and named keys stay what they are; our own key again is no change", () => {
  for (const key of ["1", " ", "Enter", "F2"]) expect(withOwnKey({}, "s", key)).toBeNull();
  expect(withOwnKey({ s: "q" }, "s", "s")).toEqual({});
});
