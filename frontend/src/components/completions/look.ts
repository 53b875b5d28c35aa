import type { View } from "./use-view";

/** A completion as it is laid out on the page. */
export interface Text {
  id: number;
  text: string;
}

/** How one completion is looked at while `current` is the one in hand. */
export function lookOf(view: View, texts: readonly Text[], current: number, { id }: Text) {
  const inHand = texts.some((one) => one.id === current) ? current : texts[0]?.id;
  const base = texts.find((one) => one.id === view.base);
  return {
    isRaw: view.isRaw,
    isCurrent: id === current,
    isFolded: view.folded.has(id),
    isHidden: view.isFocused && id !== inHand,
    /** The text scrolls inside the card, as in columns. */
    scrolls: view.layout === "columns" && !view.isFocused,
    /** The completion that the others are compared with. */
    isBase: id === view.base,
    /** The text of that one, where this one is shown with its differences. */
    base: base && id === current && id !== base.id ? base.text : null,
  };
}

export type Look = ReturnType<typeof lookOf>;
