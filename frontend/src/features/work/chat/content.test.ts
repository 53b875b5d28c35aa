import { expect, test } from "vitest";
import type { Assignment } from "@/lib/api/types";
import {
  areSame,
  choiceOf,
  isAsked,
  messagesOf,
  missing,
  newTurn,
  read,
  restore,
  submission,
  withAnswers,
  withChoice,
} from "./content";

const unit = {
  campaign: { num_completions: 2 },
  prompt: { messages: [{ role: "user", content: "Why?" }] },
  suggestions: [],
} as unknown as Assignment;
const two = [
  { suggestion: 7, text: "So." },
  { suggestion: 4, text: "Thus." },
];

test("of two answers one is chosen, a tie goes on with the first, and one alone needs no choice", () => {
  const turn = withAnswers(newTurn(""), two);
  expect(turn.chosen).toBeNull();
  expect(withChoice(turn, { verdict: "better", chosen: 4, strength: 3 })).toMatchObject({
    chosen: 4,
    strength: 3,
  });
  const tie = withChoice(turn, { verdict: "tie", chosen: null, strength: null });
  expect([tie.chosen, tie.strength, choiceOf(tie).verdict]).toEqual([7, null, "tie"]);
  expect(withAnswers(newTurn(""), two.slice(0, 1)).chosen).toBe(7);
});

test("two answers that are the same are a tie at once: there is nothing to choose", () => {
  const same = [
    { suggestion: 7, text: "So." },
    { suggestion: 4, text: "So.\n" },
  ];
  const turn = withAnswers(newTurn(""), same);
  expect([turn.chosen, turn.strength, areSame(same), areSame(two)]).toEqual([7, null, true, false]);
});

test("words made from one answer are not kept for the other", () => {
  const turn = { ...withAnswers(newTurn(""), two), chosen: 7, edited: "So it is." };
  expect(withChoice(turn, { verdict: "better", chosen: 7, strength: 1 }).edited).toBe("So it is.");
  expect(withChoice(turn, { verdict: "better", chosen: 4, strength: 1 }).edited).toBeNull();
});

test("the dialogue goes on with the edited answer", () => {
  const first = { ...withAnswers(newTurn(""), two), chosen: 7, edited: "So it is." };
  const said = messagesOf(unit, [first, newTurn("And then?")]);
  expect(said.map(({ role, content }) => `${role}: ${content}`)).toEqual([
    "user: Why?",
    "assistant: So it is.",
    "user: And then?",
  ]);
  expect(isAsked(said)).toBe(true);
});

test("a draft is read back with what came meanwhile, and nothing in it is trusted", () => {
  const left = newTurn("");
  const came = [
    { id: 4, pair: left.pair, side: 1, text: "Thus." },
    { id: 7, pair: left.pair, side: 0, text: "So." },
  ];
  const back = read({ ...unit, suggestions: came } as unknown as Assignment, { turns: [left], written: "x" });
  expect([back.turns[0]?.answers, back.turns[0]?.chosen, back.written]).toEqual([two, null, "x"]);
  for (const odd of [null, 7, { turns: 3 }, { turns: [null] }, { turns: [{ content: 1 }] }])
    expect(read(unit, odd).turns).toEqual([]);
  expect(read(unit, { turns: [{ content: "", answers: two, chosen: 9 }] }).turns[0]?.chosen).toBeNull();
});

test("nothing is sent before every answer is chosen and every word said", () => {
  const open = withAnswers(newTurn(""), two);
  const done = { ...open, chosen: 7, strength: 2 as const };
  expect(missing(unit, { turns: [], written: "" })?.key).toBe("chat.missing.none");
  expect(missing(unit, { turns: [open], written: "" })?.key).toBe("chat.missing.choice");
  expect(missing(unit, { turns: [done], written: "And" })?.key).toBe("chat.missing.unsent");
  expect(missing(unit, { turns: [done], written: " " })).toBeNull();
  const sent = submission(unit, { turns: [done], written: "" });
  expect(sent.turns[0]).toEqual({ content: "", answers: two, chosen: 7, strength: 2, edited: "" });
  expect(submission(unit, restore(unit, sent))).toEqual(sent);
});
