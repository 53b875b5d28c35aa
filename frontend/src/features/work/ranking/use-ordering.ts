import { useCallback, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { WorkProps } from "@/lib/work";
import { idsOf, type Orders, orderOf, ordersOf, type RankingContent, withOrder, withOrders } from "./content";
import { emptyRows, type Rows } from "./tiers";
import { useStandingInWords } from "./use-standing";

interface OrderingProps extends WorkProps<RankingContent> {
  /** Which order is on the shelf; empty: the overall one. */
  criterion: string;
  isReading: boolean;
}

/** All that changes an order, and the way back, step by step. */
export function useOrdering({ assignment, content, change, announce, criterion, isReading }: OrderingProps) {
  const { t } = useTranslation();
  const inWords = useStandingInWords(assignment);
  const rows = orderOf(content, criterion);
  const latest = useRef(content);
  latest.current = content;
  // The orders before each step, to be gone back to one by one.
  const [past, setPast] = useState<Orders[]>([]);
  const remember = useCallback(() => {
    const orders = ordersOf(latest.current);
    setPast((before) => [...before, orders]);
  }, []);

  const order = useCallback(
    (id: number, move: (rows: Rows) => Rows) => {
      if (isReading) return;
      const before = orderOf(latest.current, criterion);
      const after = move(before);
      if (after !== before) remember();
      change((before) => withOrder(before, criterion, move(orderOf(before, criterion))));
      announce(inWords(after, id, criterion));
    },
    [change, announce, inWords, criterion, remember, isReading],
  );

  function toggleAllBad() {
    const next = !content.all_bad;
    remember();
    change((before) => ({ ...before, all_bad: next }));
    announce(next ? t("ranking.allBadOn") : t("ranking.allBadOff"));
  }

  function undo() {
    const before = past.at(-1);
    if (!before) return false; // then what was submitted or skipped last may be taken back
    setPast(past.slice(0, -1));
    change((content) => withOrders(content, before, idsOf(assignment, content.own_answer)));
    announce(t("ranking.undone"));
  }

  function clear() {
    if (rows.flat().length === 0) return;
    remember();
    change((before) => withOrder(before, criterion, emptyRows(idsOf(assignment, before.own_answer).length)));
    announce(t("ranking.cleared"));
  }

  function sameAsOverall() {
    remember();
    change((before) => withOrder(before, criterion, before.rows));
  }

  const standing = (id: number) => inWords(rows, id, criterion);
  const canUndo = past.length > 0;
  return { rows, standing, order, remember, toggleAllBad, undo, canUndo, clear, sameAsOverall };
}

export type Ordering = ReturnType<typeof useOrdering>;
