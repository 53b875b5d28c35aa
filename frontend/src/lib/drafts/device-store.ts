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

/** The units that have words of this person on this device. */
export function draftsOnDevice(userId: number): number[] {
  const prefix = `${PREFIX}${userId}.`;
  const names = Array.from({ length: localStorage.length }, (_, index) => localStorage.key(index) ?? "");
  return names.filter((name) => name.startsWith(prefix)).map((name) => Number(name.slice(prefix.length)));
}

const remarkKeyOf = (userId: number, assignmentId: number) => `parley.remark.${userId}.${assignmentId}`;

/** A remark to a moderator that is not sent yet. */
export function keepRemarkOnDevice(userId: number, assignmentId: number, text: string): void {
  try {
    localStorage.setItem(remarkKeyOf(userId, assignmentId), text);
  } catch {
    // It is on the page, until it is closed.
  }
}

export function remarkOnDevice(userId: number, assignmentId: number): string {
  try {
    return localStorage.getItem(remarkKeyOf(userId, assignmentId)) ?? "";
  } catch {
    return "";
  }
}

export function dropRemarkFromDevice(userId: number, assignmentId: number): void {
  try {
    localStorage.removeItem(remarkKeyOf(userId, assignmentId));
  } catch {
    // A device that refuses storage has nothing to drop.
  }
}

export function dropFromDevice(userId: number, assignmentId: number): void {
  try {
    localStorage.removeItem(keyOf(userId, assignmentId));
  } catch {
    // A device that refuses storage has nothing to drop.
  }
}
