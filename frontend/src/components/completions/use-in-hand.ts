import { type RefObject, useState } from "react";
import { flushSync } from "react-dom";

/** Which completion is in hand, and the ways to another: straight to it, or some on or back. */
export function useInHand(page: RefObject<HTMLElement | null>, ids: readonly number[]) {
  const [current, setCurrent] = useState(ids[0] ?? 0);

  function goTo(id: number) {
    // At once: in focus mode the card is only now on the page.
    flushSync(() => setCurrent(id));
    const card = page.current?.querySelector<HTMLElement>(`[data-completion="${id}"]`);
    card?.scrollIntoView({ block: "nearest", inline: "nearest" });
    (card?.querySelector<HTMLElement>("[data-letter]") ?? card)?.focus({ preventScroll: true });
  }
  function step(by: number) {
    const index = Math.max(0, Math.min(ids.length - 1, ids.indexOf(current) + by));
    goTo(ids[index] ?? current);
  }
  return { current, setCurrent, goTo, step };
}
