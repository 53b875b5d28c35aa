import type { TFunction } from "i18next";
import type { Assignment, Message } from "@/lib/api/types";
import { roleInWords } from "@/lib/roles";
import { makeUuid } from "@/lib/uuid";
import { nextSpeaker, type Speaker, type WrittenTurn } from "./dialogue-edits";

/** A dialogue as it stands while one writes it: the turns after the prompt. */
export interface DemonstrationContent {
  /** How the assistant is to behave, where the campaign asks for it; null while it is not written. */
  system: string | null;
  turns: WrittenTurn[];
  /** Suggestions that were sent away, so that they do not come back with the page. */
  refused: number[];
}

// More than so many pieces of one turn the server does not keep.
const MOST_PIECES = 200;

export function newTurn(role: Speaker): WrittenTurn {
  return { key: makeUuid(), role, content: "", suggestion: null, parts: [], pastes: [], offered: [] };
}

/** Whether the writer may say how the assistant is to behave: the campaign wants it and the prompt does not say it. */
export function mayInstruct({ campaign, prompt }: Assignment): boolean {
  return campaign.has_system_message && prompt.messages[0]?.role !== "system";
}

/** What stands before the written turns. */
export function openingOf(
  assignment: Assignment,
  { system }: Pick<DemonstrationContent, "system">,
): Message[] {
  const instructs = mayInstruct(assignment) && system?.trim();
  return [
    ...(instructs ? [{ role: "system" as const, content: system ?? "" }] : []),
    ...assignment.prompt.messages,
  ];
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
  return {
    system: mayInstruct(assignment) && typeof kept.system === "string" ? kept.system : null,
    turns,
    refused: Array.isArray(kept.refused) ? kept.refused : [],
  };
}

/** The written turns of a dialogue that was handed in. */
export function restore(assignment: Assignment, submitted: unknown): DemonstrationContent {
  const { messages = [] } = submitted as Partial<ReturnType<typeof submission>>;
  const system = mayInstruct(assignment) && messages[0]?.role === "system" ? messages[0].content : null;
  const turns = messages.slice(assignment.prompt.messages.length + (system === null ? 0 : 1));
  return read(assignment, { system, turns });
}

export function missing(_assignment: Assignment, { turns }: DemonstrationContent) {
  if (turns.some((turn) => !turn.content.trim())) return { key: "demonstration.missing.empty" } as const;
  return turns.at(-1)?.role === "assistant" ? null : ({ key: "demonstration.missing.answer" } as const);
}

/** The whole dialogue, what stands before it first, as it is sent. */
export function submission(assignment: Assignment, content: DemonstrationContent) {
  const written = content.turns.map(({ role, content: text, suggestion, parts, pastes }) => ({
    role,
    content: text,
    suggestion,
    parts: parts.slice(-MOST_PIECES),
    pastes: pastes.slice(-MOST_PIECES),
  }));
  return { messages: [...openingOf(assignment, content), ...written] };
}

export function inWords(_assignment: Assignment, content: DemonstrationContent, t: TFunction): string {
  const system = content.system && `${roleInWords("system", t)}\n${content.system}`;
  const turns = content.turns.map((turn) => `${roleInWords(turn.role, t)}\n${turn.content}`);
  return [system, ...turns].filter(Boolean).join("\n\n");
}
