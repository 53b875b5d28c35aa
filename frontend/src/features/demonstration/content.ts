import type { TFunction } from "i18next";
import type { Assignment } from "@/lib/api/types";
import { roleInWords } from "@/lib/roles";
import { makeUuid } from "@/lib/uuid";
import { nextSpeaker, type Speaker, type WrittenTurn } from "./dialogue-edits";

/** A dialogue as it stands while one writes it: the turns after the prompt. */
export interface DemonstrationContent {
  turns: WrittenTurn[];
  /** Suggestions that were sent away, so that they do not come back with the page. */
  refused: number[];
}

export function newTurn(role: Speaker): WrittenTurn {
  return { key: makeUuid(), role, content: "", suggestion: null };
}

export function read(assignment: Assignment, stored: unknown): DemonstrationContent {
  const kept = (stored ?? {}) as Partial<DemonstrationContent>;
  const turns: WrittenTurn[] = [];
  for (const turn of Array.isArray(kept.turns) ? kept.turns : []) {
    const role = nextSpeaker([...assignment.prompt.messages, ...turns]);
    if (turn?.role !== role || typeof turn.content !== "string") break;
    turns.push({ ...newTurn(role), ...turn });
  }
  if (turns.length === 0) turns.push(newTurn(nextSpeaker(assignment.prompt.messages)));
  return { turns, refused: Array.isArray(kept.refused) ? kept.refused : [] };
}

export function missing(_assignment: Assignment, { turns }: DemonstrationContent) {
  if (turns.some((turn) => !turn.content.trim())) return { key: "demonstration.missing.empty" } as const;
  return turns.at(-1)?.role === "assistant" ? null : ({ key: "demonstration.missing.answer" } as const);
}

/** The whole dialogue, prompt first, as it is sent. */
export function submission(assignment: Assignment, content: DemonstrationContent) {
  const written = content.turns.map(({ role, content: text, suggestion }) => ({
    role,
    content: text,
    suggestion,
  }));
  return { messages: [...assignment.prompt.messages, ...written] };
}

export function inWords(_assignment: Assignment, content: DemonstrationContent, t: TFunction): string {
  return content.turns.map((turn) => `${roleInWords(turn.role, t)}\n${turn.content}`).join("\n\n");
}
