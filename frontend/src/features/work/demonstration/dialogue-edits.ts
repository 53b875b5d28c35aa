import type { Message } from "@/lib/api/types";

export type Speaker = "user" | "assistant";

/** A piece of a suggestion, as it was when it was taken. */
export interface TakenPart {
  suggestion: number;
  text: string;
}

/** One turn as it is being written. `suggestion`: the one it began as, so that its origin is kept. */
export interface WrittenTurn {
  /** Names the turn on the page while others come and go. */
  key: string;
  role: Speaker;
  content: string;
  suggestion: number | null;
  /** Pieces of suggestions put into it. */
  parts: TakenPart[];
  /** Length of each text that was pasted into it, in characters. */
  pastes: number[];
  /** Suggestions that were asked for it. */
  offered: number[];
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

export function withTurn(
  turns: readonly WrittenTurn[],
  index: number,
  changes: Partial<WrittenTurn>,
): WrittenTurn[] {
  return turns.map((turn, at) => (at === index ? { ...turn, ...changes } : turn));
}

/** Puts a suggestion into a turn; from now on what is written there began as that suggestion. */
export function withSuggestion(
  turns: readonly WrittenTurn[],
  index: number,
  suggestion: { id: number; text: string },
): WrittenTurn[] {
  return withTurn(turns, index, {
    content: suggestion.text,
    suggestion: suggestion.id,
    parts: [],
    pastes: [],
  });
}

/** Puts a piece of a suggestion into a turn, from `start` to `end` of what stands there. */
export function withPart(
  turns: readonly WrittenTurn[],
  index: number,
  part: TakenPart,
  start: number,
  end: number,
): WrittenTurn[] {
  const turn = turns[index];
  if (!turn) return [...turns];
  const content = turn.content.slice(0, start) + part.text + turn.content.slice(end);
  return withTurn(turns, index, { content, parts: [...turn.parts, part] });
}

/**
 * An exchange is a person's turn with its answer; both move together, so that the sides go on alternating.
 * Where the first of the two exchanges begins that change places; null where there is no other in that direction.
 */
function firstOfTwo(turns: readonly WrittenTurn[], index: number, step: -1 | 1): number | null {
  const start = turns[index]?.role === "user" ? index : index - 1;
  const first = step < 0 ? start - 2 : start;
  const isWhole = first >= 0 && turns[first]?.role === "user" && first + 4 <= turns.length;
  return isWhole ? first : null;
}

export function canMove(turns: readonly WrittenTurn[], index: number, step: -1 | 1): boolean {
  return firstOfTwo(turns, index, step) !== null;
}

/** Exchanges one exchange with the one before or after it. */
export function withMoved(turns: readonly WrittenTurn[], index: number, step: -1 | 1): WrittenTurn[] {
  const first = firstOfTwo(turns, index, step);
  if (first === null) return [...turns];
  return [
    ...turns.slice(0, first),
    ...turns.slice(first + 2, first + 4),
    ...turns.slice(first, first + 2),
    ...turns.slice(first + 4),
  ];
}
