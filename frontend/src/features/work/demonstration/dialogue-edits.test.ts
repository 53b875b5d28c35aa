import { expect, test } from "vitest";
import {
  canMove,
  nextSpeaker,
  type WrittenTurn,
  withMoved,
  withoutTurn,
  withPart,
  withSuggestion,
} from "./dialogue-edits";

const turn = (key: string, role: WrittenTurn["role"]): WrittenTurn => ({
  key,
  role,
  content: key,
  suggestion: null,
  parts: [],
  pastes: [],
  offered: [],
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

test("an exchange changes places with its neighbour, whichever of its turns is moved", () => {
  const keys = (turns: WrittenTurn[]) => turns.map((t) => t.key).join("");
  expect(keys(withMoved(four, 2, -1))).toBe("cdab");
  expect(keys(withMoved(four, 3, -1))).toBe("cdab");
  expect(keys(withMoved(four, 1, 1))).toBe("cdab");
  expect(canMove(four, 0, -1)).toBe(false);
  expect(canMove(four, 2, 1)).toBe(false);
});

test("the answer to the prompt and a question without its answer stay where they are", () => {
  const afterPrompt = [turn("a", "assistant"), ...four.map((t) => ({ ...t, key: t.key.toUpperCase() }))];
  expect(canMove(afterPrompt, 0, 1)).toBe(false);
  expect(canMove(afterPrompt, 1, -1)).toBe(false);
  expect(withMoved(afterPrompt, 3, -1).map((t) => t.key)).toEqual(["a", "C", "D", "A", "B"]);
  const unanswered = four.slice(0, 3);
  expect(canMove(unanswered, 0, 1)).toBe(false);
  expect(canMove(unanswered, 2, -1)).toBe(false);
});

test("a piece of a suggestion is put where the cursor is, and remembered", () => {
  const taken = withPart(four, 1, { suggestion: 7, text: "XY" }, 1, 1);
  expect(taken[1]).toMatchObject({
    content: "bXY",
    suggestion: null,
    parts: [{ suggestion: 7, text: "XY" }],
  });
});
