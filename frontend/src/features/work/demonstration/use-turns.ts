import { type RefObject, useCallback, useState } from "react";
import { flushSync } from "react-dom";
import { useTranslation } from "react-i18next";
import type { WorkProps } from "@/lib/work";
import { type DemonstrationContent, newTurn, openingOf } from "./content";
import { canMove, nextSpeaker, type WrittenTurn, withMoved, withoutTurn } from "./dialogue-edits";

/** The turns that are written: which one is in hand, and all that changes their number and order. */
export function useTurns(
  { assignment, content, change, announce }: WorkProps<DemonstrationContent>,
  page: RefObject<HTMLElement | null>,
) {
  const { t } = useTranslation();
  const [undo, setUndo] = useState<{ sentence: string; turns: WrittenTurn[] } | null>(null);
  const [current, setCurrent] = useState(content.turns.length - 1);
  const opening = openingOf(assignment, content);

  const setTurns = useCallback(
    (edit: (turns: WrittenTurn[]) => WrittenTurn[]) =>
      change((before) => ({ ...before, turns: edit(before.turns) })),
    [change],
  );
  /** The place of a written turn in the whole dialogue, as the server counts. */
  const placeOf = (index: number) => opening.length + index;

  const fields = () => page.current?.querySelectorAll<HTMLTextAreaElement>("textarea[data-turn]");
  function focus(index: number, at?: number) {
    // At once, also for a turn that is only now being added: the next letter typed must find its field.
    flushSync(() => setCurrent(index));
    const field = fields()?.[index];
    field?.focus();
    field?.setSelectionRange(at ?? field.value.length, at ?? field.value.length);
  }

  function addTurn() {
    setTurns((turns) => [...turns, newTurn(nextSpeaker([...opening, ...turns]))]);
    setUndo(null);
    focus(content.turns.length);
  }

  function deleteTurn(index: number) {
    setUndo({ sentence: t("demonstration.deleted"), turns: content.turns });
    setTurns((turns) => {
      const left = withoutTurn(turns, index);
      return left.length ? left : [newTurn(nextSpeaker(opening))];
    });
    announce(t("demonstration.deleted"));
    focus(Math.max(0, Math.min(index, content.turns.length - 2)));
  }

  function move(index: number, step: -1 | 1) {
    if (!canMove(content.turns, index, step)) return;
    setTurns((turns) => withMoved(turns, index, step));
    setUndo(null);
    announce(t("demonstration.moved", { number: placeOf(index + 2 * step) + 1 }));
    focus(index + 2 * step);
  }

  function undoIt() {
    if (undo) setTurns(() => undo.turns);
    setUndo(null);
  }

  return {
    opening,
    current,
    setCurrent,
    setTurns,
    placeOf,
    fields,
    focus,
    undo,
    setUndo,
    undoIt,
    addTurn,
    deleteTurn,
    move,
  };
}

export type Turns = ReturnType<typeof useTurns>;
