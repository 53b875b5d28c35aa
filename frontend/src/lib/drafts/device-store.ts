import { makeUuid } from "../uuid";
import type { DeviceDraft } from "./reconcile";

const PREFIX = "parley.draft.";

function keyOf(userId: number, assignmentId: number): string {
  return `${PREFIX}${userId}.${assignmentId}`;
}

/** Writes at once, so that not even a killed browser loses a word. False when the device has no room or refuses. */
export function keepOnDevice<C>(userId: number, assignmentId: number, draft: DeviceDraft<C>): boolean {
  try {
    localStorage.setItem(keyOf(userId, assignmentId), JSON.stringify(draft));
    return true;
  } catch {
    return false;
  }
}

export function readFromDevice<C>(userId: number, assignmentId: number): DeviceDraft<C> | null {
  try {
    const text = localStorage.getItem(keyOf(userId, assignmentId));
    return text ? (JSON.parse(text) as DeviceDraft<C>) : null;
  } catch {
    return null;
  }
}

export function dropFromDevice(userId: number, assignmentId: number): void {
  try {
    localStorage.removeItem(keyOf(userId, assignmentId));
  } catch {
    // A device that refuses storage has nothing to drop.
  }
}

/** The key under which this assignment is submitted, made once, so that sending twice stores once. */
export function submissionKeyOf(userId: number, assignmentId: number): string {
  const key = `parley.submission.${userId}.${assignmentId}`;
  try {
    const known = localStorage.getItem(key);
    if (known) return known;
    const made = makeUuid();
    localStorage.setItem(key, made);
    return made;
  } catch {
    return memoryKey(key);
  }
}

const inMemory = new Map<string, string>();

function memoryKey(key: string): string {
  const made = inMemory.get(key) ?? makeUuid();
  inMemory.set(key, made);
  return made;
}

export function dropSubmissionKey(userId: number, assignmentId: number): void {
  try {
    localStorage.removeItem(`parley.submission.${userId}.${assignmentId}`);
  } catch {
    // See dropFromDevice.
  }
}
