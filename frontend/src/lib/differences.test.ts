import { expect, test } from "vitest";
import { differences } from "./differences";

const shown = (before: string, after: string) =>
  differences(before, after)
    ?.map(({ value, added, removed }) => (added ? `+${value}+` : removed ? `-${value}-` : value))
    .join("");

test("words that changed side by side are one change", () => {
  expect(shown("the small old boat sails", "the tiny new boat sails")).toBe(
    "the -small old-+tiny new+ boat sails",
  );
  expect(shown("same", "same")).toBe("same");
});

test("both texts can be read out of the pieces", () => {
  const [before, after] = ["One two.\n\nThree four five.", "One 2.\nThree and five six."];
  const pieces = differences(before, after) ?? [];
  expect(
    pieces
      .filter((piece) => !piece.added)
      .map((piece) => piece.value)
      .join(""),
  ).toBe(before);
  expect(
    pieces
      .filter((piece) => !piece.removed)
      .map((piece) => piece.value)
      .join(""),
  ).toBe(after);
});

test("a script without spaces is compared by characters", () => {
  expect(shown("我喜欢大海", "我喜欢小海")).toBe("我喜欢-大-+小+海");
});
