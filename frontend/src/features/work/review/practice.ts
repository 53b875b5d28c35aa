import type { TFunction } from "i18next";
import type { AnyWorkKind, Example } from "@/lib/work";

/** Somebody has chosen the wrong one of two. */
export function makePractice(kinds: Record<string, AnyWorkKind>) {
  return (t: TFunction): Example => {
    const example = kinds.comparison?.practice(t) ?? { messages: [] };
    const content = { verdict: "better", chosen: 1, strength: 3 };
    return { messages: example.messages, reviewed: { example, kind: "comparison", content } };
  };
}
