import type { components } from "../api/schema";

type Submission = components["schemas"]["SubmissionRequest"];

interface Addressed {
  userId: number;
  assignmentId: number;
}
interface OutgoingSubmission extends Addressed {
  submission: Submission;
}
/** A skip waits until `sendAt`, so that it can be taken back. */
interface OutgoingSkip extends Addressed {
  skipReason: string;
  sendAt: number;
}
/** What a person has done with a unit, on its way. It stays on the device until the server has answered for it. */
export type Outgoing = OutgoingSubmission | OutgoingSkip;

export const isSkip = (outgoing: Outgoing): outgoing is OutgoingSkip => "skipReason" in outgoing;

const PREFIX = "parley.outbox.";
const keyOf = ({ userId, assignmentId }: Addressed) => `${PREFIX}${userId}.${assignmentId}`;

// What stood on the device, where another tab may take it back.
const stood = new WeakSet<Outgoing>();

/** Where the device has no room, it is sent from memory. */
export function keep(outgoing: Outgoing): void {
  try {
    localStorage.setItem(keyOf(outgoing), JSON.stringify(outgoing));
    stood.add(outgoing);
  } catch {
    // It is in memory, and sent from there.
  }
}

export function drop(outgoing: Addressed): void {
  try {
    localStorage.removeItem(keyOf(outgoing));
  } catch {
    // Nothing was kept.
  }
}

/** Whether another tab has taken this skip back. */
export function isTakenBack(outgoing: Outgoing): boolean {
  if (!isSkip(outgoing) || !stood.has(outgoing)) return false;
  try {
    return localStorage.getItem(keyOf(outgoing)) === null;
  } catch {
    return true;
  }
}

/** What this person has left on the device. */
export function keptFor(userId: number): Outgoing[] {
  const kept: Outgoing[] = [];
  const names = Array.from({ length: localStorage.length }, (_, index) => localStorage.key(index) ?? "");
  for (const name of names.filter((key) => key.startsWith(`${PREFIX}${userId}.`))) {
    try {
      kept.push(JSON.parse(localStorage.getItem(name) ?? "") as Outgoing);
    } catch {
      localStorage.removeItem(name);
    }
  }
  for (const outgoing of kept) stood.add(outgoing);
  return kept;
}
