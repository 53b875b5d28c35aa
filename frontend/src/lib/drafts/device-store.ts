import type { DeviceDraft } from "./reconcile";

const PREFIX = "parley.draft.";

function keyOf(userId: number, assignmentId: number): string {
  return `${PREFIX}${userId}.${assignmentId}`;
}

/** False when the device has no room or refuses. */
function keep(key: string, text: string): boolean {
  try {
    localStorage.setItem(key, text);
    return true;
  } catch {
    return false;
  }
}

function kept(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function drop(key: string): void {
  try {
    localStorage.removeItem(key);
  } catch {
    // A device that refuses storage has nothing to drop.
  }
}

function asRecord<T>(text: string | null): T | null {
  try {
    return text ? (JSON.parse(text) as T) : null;
  } catch {
    return null;
  }
}

/** Writes at once, so that not even a killed browser loses a word. False when the device has no room or refuses. */
export function keepOnDevice<C>(userId: number, assignmentId: number, draft: DeviceDraft<C>): boolean {
  return keep(keyOf(userId, assignmentId), JSON.stringify(draft));
}

export function readFromDevice<C>(userId: number, assignmentId: number): DeviceDraft<C> | null {
  return asRecord(kept(keyOf(userId, assignmentId)));
}

export function dropFromDevice(userId: number, assignmentId: number): void {
  drop(keyOf(userId, assignmentId));
  drop(secondsKeyOf(userId, assignmentId));
}

/** The units that have words of this person on this device. */
export function draftsOnDevice(userId: number): number[] {
  const prefix = `${PREFIX}${userId}.`;
  const names = Array.from({ length: localStorage.length }, (_, index) => localStorage.key(index) ?? "");
  return names.filter((name) => name.startsWith(prefix)).map((name) => Number(name.slice(prefix.length)));
}

const secondsKeyOf = (userId: number, assignmentId: number) => `parley.seconds.${userId}.${assignmentId}`;

/** How long this unit has been worked on, also since its last letter. */
export function keepSecondsOnDevice(userId: number, assignmentId: number, seconds: number): void {
  keep(secondsKeyOf(userId, assignmentId), String(seconds));
}

export function secondsOnDevice(userId: number, assignmentId: number): number {
  const seconds = Number(kept(secondsKeyOf(userId, assignmentId)));
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}

const remarkKeyOf = (userId: number, assignmentId: number) => `parley.remark.${userId}.${assignmentId}`;

/** A remark to a moderator that is not sent yet; where the device refuses, it is on the page until it is closed. */
export function keepRemarkOnDevice(userId: number, assignmentId: number, text: string): void {
  keep(remarkKeyOf(userId, assignmentId), text);
}

export function remarkOnDevice(userId: number, assignmentId: number): string {
  return kept(remarkKeyOf(userId, assignmentId)) ?? "";
}

export function dropRemarkFromDevice(userId: number, assignmentId: number): void {
  drop(remarkKeyOf(userId, assignmentId));
}

/** What was written in a form and not saved yet, upon what was saved then. */
export interface KeptForm<Fields> {
  fields: Fields;
  base: Fields;
  changedAt: string;
}

const formKeyOf = (userId: number, place: string) => `parley.form.${userId}.${place}`;

/** `place`: which form it is, as "campaign.7.guidelines". */
export function keepForm<Fields>(userId: number, place: string, form: KeptForm<Fields>): boolean {
  return keep(formKeyOf(userId, place), JSON.stringify(form));
}

export function formOnDevice<Fields>(userId: number, place: string): KeptForm<Fields> | null {
  return asRecord(kept(formKeyOf(userId, place)));
}

export function dropForm(userId: number, place: string): void {
  drop(formKeyOf(userId, place));
}
