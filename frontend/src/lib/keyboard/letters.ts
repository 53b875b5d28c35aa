import type { KeyBinding } from "./use-keys";

/** The letters by which so many completions are called; each key leads to its own, whatever keys a person has chosen. */
export const letters = (count: number): string[] => [..."ABCDEFGHI"].slice(0, count);

/** A and B lead to the first and the second of the cards that are found. */
export function lettersOfTwo(label: string, cards: () => NodeListOf<HTMLElement> | undefined): KeyBinding {
  return {
    keys: letters(2),
    shownAs: "A, B",
    label,
    run: (event) => {
      const card = cards()?.[letters(2).indexOf(event.key.toUpperCase())];
      card?.scrollIntoView({ block: "nearest" });
      card?.focus({ preventScroll: true });
    },
  };
}
