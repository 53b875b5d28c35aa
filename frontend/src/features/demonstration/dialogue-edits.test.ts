import { expect, test } from "vitest";
import { nextSpeaker, type WrittenTurn, withoutTurn, withSuggestion } from "./dialogue-edits";

const turn = (key: string, role: WrittenTurn["role"]): WrittenTurn => ({
  key,
  role,
  content: key,
  suggestion: null,
});
const four = [turn("a", "user"), turn("b", "assistant"), turn("c", "user"), turn("d", "assistant")];

test("the person opens, then the two sides take turns", () => {
  expect(nextSpeaker([])).toBe("user");
  expect(nextSpeaker([{ role: "system" }])).toBe("user");
  expect(nextSpeaker([{ role: "system" }, { role: "user" }])).toBe("assistant");
  expect(nextSpeaker([{ role: "user" }, { role: "assistant" }])).toBe("user");
});

test("the last turn goes alone, one in the middle takes what answered it along", () => {
  expect(withoutTurn(four, 3).map((t) => t.key)).toEqual(["a", "b", "c"]);
  expect(withoutTurn(four, 1).map((t) => t.key)).toEqual(["a", "d"]);
});

test("whichever turn goes, the sides still alternate", () => {
  for (let index = 0; index < four.length; index += 1) {
    const roles = withoutTurn(four, index).map((t) => t.role);
    roles.forEach((role, at) => {
      expect(role).toBe(at % 2 === 0 ? "user" : "assistant");
    });
  }
});

test("a turn remembers the suggestion it began as", () => {
  const taken = withSuggestion(four, 1, { id: 7, text: "hello" });
  expect(taken[1]).toMatchObject({ content: "hello", suggestion: 7, role: "assistant" });
  expect(taken[0]).toBe(four[0]);
});
