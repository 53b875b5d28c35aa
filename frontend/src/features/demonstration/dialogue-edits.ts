import type { Message } from "@/lib/api/types";

export type Speaker = "user" | "assistant";

/** One turn as it is being written. `suggestion`: the one it began as, so that its origin is kept. */
export interface WrittenTurn {
  /** Names the turn on the page while others come and go. */
  key: string;
  role: Speaker;
  content: string;
  suggestion: number | null;
}

/** Who speaks after these messages: the person opens and answers the assistant, the assistant answers the person. */
export function nextSpeaker(messages: readonly Pick<Message, "role">[]): Speaker {
  return messages.at(-1)?.role === "user" ? "assistant" : "user";
}

/**
 * Takes a turn out. In the middle the turn after it goes too: what answered it has nothing to answer any more, and
 * the two sides go on alternating.
 */
export function withoutTurn(turns: readonly WrittenTurn[], index: number): WrittenTurn[] {
  const count = index < turns.length - 1 ? 2 : 1;
  return turns.filter((_turn, at) => at < index || at >= index + count);
}

export function withText(turns: readonly WrittenTurn[], index: number, content: string): WrittenTurn[] {
  return turns.map((turn, at) => (at === index ? { ...turn, content } : turn));
}

/** Puts a suggestion into a turn; from now on what is written there began as that suggestion. */
export function withSuggestion(
  turns: readonly WrittenTurn[],
  index: number,
  suggestion: { id: number; text: string },
): WrittenTurn[] {
  return turns.map((turn, at) =>
    at === index ? { ...turn, content: suggestion.text, suggestion: suggestion.id } : turn,
  );
}
