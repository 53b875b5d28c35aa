import { useCallback, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Offer, useSuggestions } from "@/lib/use-suggestions";
import type { WorkProps } from "@/lib/work";
import type { DemonstrationContent } from "./content";
import { type WrittenTurn, withPart, withSuggestion } from "./dialogue-edits";
import type { Turns } from "./use-turns";

/** What the policy suggests for each turn, and what becomes of it. */
export function useOffers(
  { assignment, content, change, announce }: WorkProps<DemonstrationContent>,
  { opening, current, setTurns, setUndo, placeOf, fields, focus }: Turns,
) {
  const { t } = useTranslation();
  // Of a turn's alternatives the last one is shown, until another is chosen.
  const [chosen, setChosen] = useState<Record<string, number>>({});
  const { offers, ask, stop, dismiss } = useSuggestions(
    assignment,
    ({ id, turn }) =>
      (content.turns.find((written) => written.offered.includes(id)) ?? content.turns[turn - opening.length])
        ?.key,
    useCallback(
      (key: string, id: number) =>
        setTurns((turns) =>
          turns.map((turn) => (turn.key === key ? { ...turn, offered: [...turn.offered, id] } : turn)),
        ),
      [setTurns],
    ),
  );
  const offersOf = ({ key }: WrittenTurn) =>
    (offers[key] ?? []).filter((offer) => !content.refused.includes(offer.id));
  /** A policy has learned what an assistant says; of the person's turn it knows nothing. */
  const canSuggestFor = ({ role }: WrittenTurn) => assignment.can_suggest && role === "assistant";
  const shownOf = (turn: WrittenTurn) => {
    const last = offersOf(turn).length - 1;
    return Math.min(chosen[turn.key] ?? last, last);
  };

  function suggest(index: number) {
    const turn = content.turns[index];
    if (!turn) return;
    if (!canSuggestFor(turn)) {
      announce(t("suggestion.onlyAnswers"));
      return;
    }
    const before = content.turns.slice(0, index).map(({ role, content: text }) => ({ role, content: text }));
    announce(t("suggestion.asked"));
    setChosen(({ [turn.key]: _last, ...rest }) => rest);
    void ask(turn.key, placeOf(index), [...opening, ...before]);
  }

  function take(index: number, offer: Offer, editsNext: boolean) {
    const turn = content.turns[index];
    if (!turn) return;
    setUndo(turn.content.trim() ? { sentence: t("suggestion.replaced"), turns: content.turns } : null);
    setTurns((turns) => withSuggestion(turns, index, offer));
    dismiss(turn.key);
    announce(t("suggestion.taken"));
    if (editsNext) focus(index);
  }

  /** Put where the cursor is; set off from the words around it by a space. */
  function takePart(index: number, offer: Offer, words: string) {
    const field = fields()?.[index];
    const text = content.turns[index]?.content ?? "";
    const start = field?.selectionStart ?? text.length;
    const end = field?.selectionEnd ?? start;
    const isJoined = start > 0 && !/\s$/.test(text.slice(0, start));
    const put = (isJoined ? " " : "") + words;
    setUndo(null);
    setTurns((turns) => withPart(turns, index, { suggestion: offer.id, text: put }, start, end));
    announce(t("suggestion.partTaken"));
    focus(index, start + put.length);
  }

  function refuse(index: number, offer: Offer) {
    const turn = content.turns[index];
    if (!turn) return;
    if (offer.id) change((before) => ({ ...before, refused: [...before.refused, offer.id] }));
    dismiss(turn.key, offer.key);
    announce(t("suggestion.refused"));
    focus(index);
  }

  function withCurrentOffer(act: (offer: Offer) => void) {
    const turn = content.turns[current];
    const offer = turn && offersOf(turn)[shownOf(turn)];
    if (offer?.id && offer.text) act(offer);
  }

  function showNext() {
    const turn = content.turns[current];
    if (!turn || offersOf(turn).length < 2) return;
    const next = (shownOf(turn) + 1) % offersOf(turn).length;
    setChosen((before) => ({ ...before, [turn.key]: next }));
    announce(t("suggestion.alternative", { number: next + 1, of: offersOf(turn).length }));
  }

  const show = ({ key }: WrittenTurn, shown: number) => setChosen((before) => ({ ...before, [key]: shown }));
  return {
    offersOf,
    canSuggestFor,
    shownOf,
    suggest,
    take,
    takePart,
    refuse,
    withCurrentOffer,
    showNext,
    show,
    stop,
  };
}
