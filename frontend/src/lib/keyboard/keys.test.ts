import { expect, test } from "vitest";
import { matches, shown } from "./keys";

const press = (
  key: string,
  code: string,
  held: Partial<Record<"ctrl" | "meta" | "alt" | "shift", boolean>> = {},
) => ({
  key,
  code,
  ctrlKey: held.ctrl ?? false,
  metaKey: held.meta ?? false,
  altKey: held.alt ?? false,
  shiftKey: held.shift ?? false,
});

test("mod is Ctrl or Cmd", () => {
  expect(matches(press("Enter", "Enter", { ctrl: true }), "mod+Enter")).toBe(true);
  expect(matches(press("Enter", "Enter", { meta: true }), "mod+Enter")).toBe(true);
  expect(matches(press("Enter", "Enter"), "mod+Enter")).toBe(false);
  expect(matches(press("s", "KeyS", { ctrl: true }), "s")).toBe(false);
});

test("digits go by their place, so a French keyboard needs no shift", () => {
  expect(matches(press("&", "Digit1"), "Digit1")).toBe(true);
  expect(matches(press("1", "Digit1", { shift: true }), "Digit1")).toBe(false);
  expect(matches(press("1", "Digit1", { shift: true }), "shift+Digit1")).toBe(true);
  expect(matches(press("3", "Numpad3"), "Digit3")).toBe(true);
});

test("a sign is matched however the keyboard types it", () => {
  expect(matches(press("?", "Slash", { shift: true }), "?")).toBe(true);
  expect(matches(press("=", "Digit0", { shift: true }), "=")).toBe(true);
  expect(matches(press("?", "KeyM", { shift: true }), "?")).toBe(true);
});

test("alt with a letter goes by its place, since a Mac types another character", () => {
  expect(matches(press("ß", "KeyS", { alt: true }), "alt+KeyS")).toBe(true);
  expect(matches(press("s", "KeyS"), "alt+KeyS")).toBe(false);
});

test("keys are written as the keyboard in hand has them", () => {
  expect(shown("mod+Enter", false)).toEqual(["Ctrl", "↵"]);
  expect(shown("mod+Enter", true)).toEqual(["⌘", "↵"]);
  expect(shown("alt+KeyS", false)).toEqual(["Alt", "S"]);
  expect(shown("Digit3", false)).toEqual(["3"]);
});
