import type { DeviceDraft } from "./reconcile";

const DRAFT = "parley.draft.";
const OTHERS = ["parley.outbox.", "parley.remark.", "parley.form."];

function namesOf(prefix: string, userId: number): string[] {
  const names = Array.from({ length: localStorage.length }, (_, index) => localStorage.key(index) ?? "");
  return names.filter((name) => name.startsWith(`${prefix}${userId}.`));
}

function isSaved(name: string): boolean {
  try {
    return (JSON.parse(localStorage.getItem(name) ?? "") as DeviceDraft<unknown>).isSaved === true;
  } catch {
    return false;
  }
}

/** How many pieces of work of this person are on this device alone: drafts, what waits to be sent, remarks, forms. */
export function numUnsaved(userId: number): number {
  const drafts = namesOf(DRAFT, userId).filter((name) => !isSaved(name));
  const waiting = OTHERS.flatMap((prefix) => namesOf(prefix, userId));
  // A unit that is handed in and its draft are one.
  const places = [...drafts.map((name) => name.slice(DRAFT.length)), ...waiting.map(placeOf)];
  return new Set(places).size;
}

const placeOf = (name: string) => {
  const prefix = OTHERS.find((other) => name.startsWith(other)) ?? "";
  return prefix === "parley.outbox." ? name.slice(prefix.length) : name;
};

/** What the server has, a shared computer need not keep; the rest stays until its author signs in here again. */
export function dropWhatIsSaved(userId: number): void {
  for (const name of namesOf(DRAFT, userId).filter(isSaved)) localStorage.removeItem(name);
  for (const name of namesOf("parley.seconds.", userId)) localStorage.removeItem(name);
}
