import { asProblem } from "@/lib/api/problem";
import { dropFromDevice, dropSubmissionKey } from "@/lib/drafts/device-store";
import { type Submission, type Submitted, submitAssignment } from "./api";

/** A submission on its way. It stays on the device until the server has answered for it. */
export interface Outgoing {
  userId: number;
  assignmentId: number;
  body: Submission;
}

const PREFIX = "parley.outbox.";

function keyOf({ userId, assignmentId }: Pick<Outgoing, "userId" | "assignmentId">): string {
  return `${PREFIX}${userId}.${assignmentId}`;
}

export function keepOutgoing(outgoing: Outgoing): void {
  try {
    localStorage.setItem(keyOf(outgoing), JSON.stringify(outgoing));
  } catch {
    // No room on the device: it is still sent from memory.
  }
}

function drop(outgoing: Outgoing): void {
  try {
    localStorage.removeItem(keyOf(outgoing));
  } catch {
    // Nothing was kept.
  }
}

/** Sends once; null when it had been stored before. Throws a Problem; a passing one leaves the submission kept, any other gives it back to the person. */
export async function sendOutgoing(outgoing: Outgoing): Promise<Submitted | null> {
  try {
    const stored = await submitAssignment(outgoing.assignmentId, outgoing.body);
    forget(outgoing);
    return stored;
  } catch (error) {
    const problem = asProblem(error);
    if (problem.code === "already_submitted") {
      forget(outgoing);
      return null;
    }
    if (!problem.isPassing && problem.status !== 401) drop(outgoing);
    throw problem;
  }
}

function forget(outgoing: Outgoing): void {
  drop(outgoing);
  dropFromDevice(outgoing.userId, outgoing.assignmentId);
  dropSubmissionKey(outgoing.userId, outgoing.assignmentId);
}

function keptFor(userId: number): Outgoing[] {
  const kept: Outgoing[] = [];
  for (let index = 0; index < localStorage.length; index += 1) {
    const key = localStorage.key(index);
    if (!key?.startsWith(`${PREFIX}${userId}.`)) continue;
    try {
      kept.push(JSON.parse(localStorage.getItem(key) ?? "") as Outgoing);
    } catch {
      localStorage.removeItem(key);
    }
  }
  return kept;
}

/** Sends what an earlier visit could not send, before new work is asked for. */
export async function sendKept(userId: number): Promise<void> {
  for (const outgoing of keptFor(userId)) {
    // A refusal puts it back into the draft, where the person meets it; trouble leaves it for the next time.
    await sendOutgoing(outgoing).catch(() => undefined);
  }
}
