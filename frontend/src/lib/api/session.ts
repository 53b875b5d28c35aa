/** Tells the page when the session ends while someone is working, and when they have signed in again. */
type Listener = (isSignedIn: boolean) => void;

const listeners = new Set<Listener>();
let ended = false;

export function onSessionChange(listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export function sessionEnded(): void {
  if (ended) return;
  ended = true;
  for (const listener of listeners) listener(false);
}

export function sessionRenewed(): void {
  ended = false;
  for (const listener of listeners) listener(true);
}
