import { expect, test } from "vitest";
import { ariaKey, ownKey, readOwnKeys, SINGLE_KEYS, setOwnKeys, withOwnKey } from "./own-keys";

test("one's own key stands in the place of ours, everywhere", () => {
  setOwnKeys({ s: "!" });
  expect([ownKey("s"), ownKey("q"), ariaKey("s")]).toEqual(["!", "q", "!"]);
  setOwnKeys({});
});

test("no key does two things", () => {
  expect(new Set(SINGLE_KEYS.map(({ key }) => key)).size).toBe(SINGLE_KEYS.length);
  expect(withOwnKey({}, "s", "Q")).toBeNull();
  expect(withOwnKey({ q: "!" }, "s", "!")).toBeNull();
  expect(withOwnKey({ q: "!" }, "s", "q")).toEqual({ q: "!", s: "q" });
});

test("digits, spaces and named keys stay what they are; our own key again is no change", () => {
  for (const key of ["1", " ", "Enter", "F2"]) expect(withOwnKey({}, "s", key)).toBeNull();
  expect(withOwnKey({ s: "!" }, "s", "s")).toEqual({});
});

test("no action has the letter of a completion", () => {
  for (const { key } of SINGLE_KEYS) expect(key === "e" || !/[a-i]/.test(key)).toBe(true);
  expect(withOwnKey({}, "s", "b")).toBeNull();
});

test("what was stored before our keys had other names holds on, where it still can", () => {
  expect(readOwnKeys({ b: "!", g: ",", s: ";" })).toEqual({ n: "!", q: ",", s: ";" });
  // A letter of a completion, a key that does something else by now, a key that there is no more.
  expect(readOwnKeys({ s: "a", r: "n", ü: "ä" })).toEqual({});
});
