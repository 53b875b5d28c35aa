import { type RefObject, useCallback, useEffect } from "react";
import { flushSync } from "react-dom";
import { useTranslation } from "react-i18next";
import { type Choice, choiceInWords } from "@/lib/choice";
import { type Offer, useSuggestions } from "@/lib/use-suggestions";
import type { WorkProps } from "@/lib/work";
import {
  areSame,
  askedAgain,
  type ChatContent,
  type ChatTurn,
  chosenText,
  isAsked,
  messagesOf,
  newTurn,
  pairOf,
  withAnswers,
  withChoice,
} from "./content";

const placeOf = ({ pair }: ChatTurn, side: number) => `${pair}:${side}`;
const noTurn = () => undefined;
const noNote = () => undefined;

const isWhole = (coming: Offer[], num: number) =>
  coming.length === num && coming.every(({ id, text, state }) => id && text.trim() && state !== "streaming");

/** How a chat stands, and all that can be done in it. */
export function useTalk(props: WorkProps<ChatContent>, page: RefObject<HTMLElement | null>) {
  const { assignment, content, change, announce } = props;
  const { t } = useTranslation();
  const { campaign, prompt, submitted, reviewed } = assignment;
  // What was handed in can be judged otherwise, but not be continued.
  const isGiven = submitted !== null || reviewed !== null;
  const { offers, ask, stop } = useSuggestions(assignment, noTurn, noNote);
  const last = content.turns.at(-1);
  const sides = Array.from({ length: campaign.num_completions }, (_nothing, side) => side);
  const coming = last ? sides.flatMap((side) => offers[placeOf(last, side)]?.at(-1) ?? []) : [];
  const isStreaming = coming.some(({ state }) => state === "streaming");
  const failed = coming.find(({ state }) => state === "failed");
  const isSame = last !== undefined && areSame(last.answers);
  const isPair = last !== undefined && last.answers.length > 1 && !isSame;
  const canSay = !isGiven && (!last || last.chosen !== null);
  const answersPrompt = !last && isAsked(prompt.messages);
  const canEdit = campaign.own_answer !== "off" && last !== undefined && last.chosen !== null;

  const setLast = useCallback(
    (edit: (turn: ChatTurn) => ChatTurn) =>
      change((before) => ({
        ...before,
        turns: before.turns.map((turn, at) => (at === before.turns.length - 1 ? edit(turn) : turn)),
      })),
    [change],
  );

  // The answers are shown, and kept, together: when all have come, or were stopped, or broke off with some words.
  useEffect(() => {
    if (!last || last.answers.length || !isWhole(coming, campaign.num_completions)) return;
    const answers = coming.map(({ id, text }) => ({ suggestion: id, text }));
    setLast((turn) => (turn.key === last.key ? withAnswers(turn, answers) : turn));
    announce(t("chat.arrived", { count: answers.length }));
  }, [announce, campaign.num_completions, coming, last, setLast, t]);

  function answer(turn: ChatTurn, before: ChatTurn[], written: string) {
    change(() => ({ turns: [...before, turn], written }));
    const messages = messagesOf(assignment, [...before, turn]);
    for (const side of sides)
      void ask(placeOf(turn, side), messages.length, messages, { pair: turn.pair, side });
    announce(t("chat.asked", { count: sides.length }));
    // Keys that judge are for the page, not for a field.
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  }

  function send() {
    if (!canSay) return;
    if (answersPrompt) answer(newTurn(""), [], content.written);
    else if (content.written.trim()) answer(newTurn(content.written), content.turns, "");
    else focus("written");
  }

  function again() {
    if (last && !isStreaming) answer(askedAgain(last), content.turns.slice(0, -1), content.written);
  }

  function takeBack() {
    if (!last) return;
    for (const side of sides) stop(placeOf(last, side));
    flushSync(() =>
      change(({ turns, written }) => ({
        turns: turns.slice(0, -1),
        written: [last.content, written].filter(Boolean).join("\n\n"),
      })),
    );
    announce(t("chat.takenBack"));
    focus("written");
  }

  function stopAll() {
    if (last) for (const side of sides) stop(placeOf(last, side));
  }

  function choose(choice: Choice | undefined) {
    if (!last || !choice) return;
    setLast((turn) => withChoice(turn, choice));
    announce(choiceInWords(pairOf(last), choice, t));
  }

  function edit() {
    if (!canEdit) return;
    flushSync(() => setLast((turn) => ({ ...turn, edited: turn.edited ?? chosenText(turn) })));
    focus("edited");
  }

  function focus(name: "written" | "edited") {
    // At once, also when the field is only now being added: the next letter typed must find it.
    const field = page.current?.querySelector<HTMLTextAreaElement>(`textarea[data-field=${name}]`);
    field?.focus();
    field?.setSelectionRange(field.value.length, field.value.length);
  }

  return {
    isGiven,
    last,
    sides,
    coming,
    isStreaming,
    failed,
    isSame,
    isPair,
    canSay,
    answersPrompt,
    canEdit,
    setLast,
    send,
    again,
    takeBack,
    stopAll,
    choose,
    edit,
    focus,
  };
}

export type Talk = ReturnType<typeof useTalk>;
