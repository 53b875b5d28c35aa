import type { TFunction } from "i18next";
import type { Assignment, Message } from "@/lib/api/types";
import { type Choice, choiceInWords, NOTHING, type Strength } from "@/lib/choice";
import { roleInWords } from "@/lib/roles";
import { makeUuid } from "@/lib/uuid";

/** An answer as it was seen; of one that was stopped, as far as it had come. */
export interface SeenAnswer {
  suggestion: number;
  text: string;
}

/** What the person said, and the answers to it, left or above first. */
export interface ChatTurn {
  key: string;
  /** Empty where the prompt has said it. */
  content: string;
  /** Names the answers that were asked for last. */
  pair: number;
  /** Empty until all of them are there. */
  answers: SeenAnswer[];
  /** The one with which the dialogue goes on; of two that are equally good, the first. */
  chosen: number | null;
  strength: Strength | null;
  /** The chosen one made better; null while nobody has begun to. */
  edited: string | null;
}

export interface ChatContent {
  turns: ChatTurn[];
  /** What is not sent yet. */
  written: string;
}

export function newTurn(content: string): ChatTurn {
  // A number below 2^31 that no other pair of this dialogue has.
  const pair = 1 + Math.floor(Math.random() * (2 ** 31 - 2));
  return { key: makeUuid(), content, pair, answers: [], chosen: null, strength: null, edited: null };
}

export const chosenText = ({ answers, chosen }: ChatTurn) =>
  answers.find(({ suggestion }) => suggestion === chosen)?.text ?? "";

const answerOf = (turn: ChatTurn) => (turn.edited?.trim() ? turn.edited : chosenText(turn));

/** The dialogue up to and with the answers that were chosen. */
export function messagesOf(assignment: Assignment, turns: ChatTurn[]): Message[] {
  return [
    ...assignment.prompt.messages,
    ...turns.flatMap((turn) => [
      ...(turn.content ? [{ role: "user" as const, content: turn.content }] : []),
      ...(turn.chosen === null ? [] : [{ role: "assistant" as const, content: answerOf(turn) }]),
    ]),
  ];
}

/** Whether the person has spoken last, so that only an answer can follow. */
export const isAsked = (messages: Message[]) => messages.at(-1)?.role === "user";

/** Whether both answers say the same: then there is nothing to choose. */
export const areSame = ([first, second]: SeenAnswer[]) =>
  first !== undefined && second !== undefined && first.text.trim() === second.text.trim();

/** With its answers; with one alone, or two that are the same (a tie), the dialogue goes on at once. */
export function withAnswers(turn: ChatTurn, answers: SeenAnswer[]): ChatTurn {
  const [first, second] = answers;
  const goesOn = first && (!second || areSame(answers));
  return { ...turn, answers, chosen: goesOn ? first.suggestion : null, strength: null };
}

/** The same question, to be answered anew. */
export const askedAgain = (turn: ChatTurn): ChatTurn => newTurn(turn.content);

export function withChoice(turn: ChatTurn, choice: Choice): ChatTurn {
  const chosen = choice.chosen ?? turn.answers[0]?.suggestion ?? null;
  // Words that were made from one answer do not stand for the other.
  const edited = chosen === turn.chosen ? turn.edited : null;
  return { ...turn, chosen, strength: choice.strength, edited };
}

/** A turn's two answers, and the choice between them, as a comparison has them. */
export const pairOf = ({ answers }: ChatTurn) => ({
  completions: answers.map(({ suggestion }) => ({ id: suggestion })),
});

export function choiceOf({ chosen, strength }: ChatTurn): Choice {
  if (chosen === null) return NOTHING;
  return strength
    ? { verdict: "better", chosen, strength }
    : { verdict: "tie", chosen: null, strength: null };
}

export function read(assignment: Assignment, stored: unknown): ChatContent {
  const kept = (stored ?? {}) as Partial<ChatContent>;
  const turns: ChatTurn[] = [];
  for (const turn of Array.isArray(kept.turns) ? kept.turns : []) {
    const before = turns.at(-1);
    if ((before && before.chosen === null) || typeof turn?.content !== "string") break;
    const made = { ...newTurn(turn.content), ...turn };
    if (!Array.isArray(made.answers)) made.answers = [];
    // What came while nobody looked, as when the page was left in the middle of it.
    const came = assignment.suggestions
      .filter(({ pair, text }) => pair === made.pair && text?.trim())
      .sort((a, b) => (a.side ?? 0) - (b.side ?? 0))
      .map(({ id, text }) => ({ suggestion: id, text: text ?? "" }));
    const isWhole = came.length === assignment.campaign.num_completions;
    const filled = made.answers.length === 0 && isWhole ? withAnswers(made, came) : made;
    const isChosen = filled.answers.some(({ suggestion }) => suggestion === filled.chosen);
    turns.push(isChosen ? filled : { ...filled, chosen: null, strength: null, edited: null });
  }
  return { turns, written: typeof kept.written === "string" ? kept.written : "" };
}

/** A dialogue that was handed in. */
export function restore(assignment: Assignment, submitted: unknown): ChatContent {
  const { turns = [] } = submitted as Partial<ChatContent>;
  return read(assignment, { turns: turns.map((turn) => ({ ...turn, edited: turn.edited || null })) });
}

export function missing(_assignment: Assignment, { turns, written }: ChatContent) {
  if (turns.length === 0) return { key: "chat.missing.none" } as const;
  if (turns.some((turn) => turn.chosen === null)) return { key: "chat.missing.choice" } as const;
  return written.trim() ? ({ key: "chat.missing.unsent" } as const) : null;
}

export function submission(_assignment: Assignment, { turns }: ChatContent) {
  return {
    turns: turns.map(({ content, answers, chosen, strength, edited }) => ({
      content,
      answers: answers.map(({ suggestion, text }) => ({ suggestion, text })),
      chosen: chosen ?? 0,
      strength,
      edited: edited?.trim() ? edited : "",
    })),
  };
}

export function inWords(_assignment: Assignment, content: ChatContent, t: TFunction): string {
  const said = (role: "user" | "assistant", text: string) => text && `${roleInWords(role, t)}\n${text}`;
  const spoken = content.turns.flatMap((turn) => [
    said("user", turn.content),
    turn.answers.length > 1 && choiceInWords(pairOf(turn), choiceOf(turn), t),
    turn.chosen !== null && said("assistant", answerOf(turn)),
  ]);
  return [...spoken, content.written].filter(Boolean).join("\n\n");
}
