import { useSyncExternalStore } from "react";
import { api, bodyOf } from "../api/client";
import { asProblem, type Problem } from "../api/problem";
import type { components } from "../api/schema";
import { onSessionChange } from "../api/session";
import { dropFromDevice } from "./device-store";

export type Submission = components["schemas"]["SubmissionRequest"];
export type Submitted = components["schemas"]["Submitted"];

interface Addressed {
  userId: number;
  assignmentId: number;
}
export interface OutgoingSubmission extends Addressed {
  submission: Submission;
}
/** A skip waits until `sendAt`, so that it can be taken back. */
export interface OutgoingSkip extends Addressed {
  skipReason: string;
  sendAt: number;
}
/** What a person has done with a unit, on its way. It stays on the device until the server has answered for it. */
export type Outgoing = OutgoingSubmission | OutgoingSkip;

export interface Entry {
  outgoing: Outgoing;
  /** held: it can still be taken back; waiting: the server was out of reach; refused: it is the person's again. */
  state: "held" | "sending" | "waiting" | "refused";
  problem: Problem | null;
}

type Send = (outgoing: Outgoing) => Promise<Submitted | null>;
/** Told what the server said: what it stored (null for a skip), or why it refused. */
type Listener = (outgoing: Outgoing, stored: Submitted | null, problem: Problem | null) => void;

const PREFIX = "parley.outbox.";
const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30_000;
// However the device's clock is set meanwhile.
const LONGEST_HOLD_MS = 10_000;

const keyOf = ({ userId, assignmentId }: Addressed) => `${PREFIX}${userId}.${assignmentId}`;
export const isSkip = (outgoing: Outgoing): outgoing is OutgoingSkip => "skipReason" in outgoing;

/** False where the device has no room: then it is sent from memory. */
function keep(outgoing: Outgoing): boolean {
  try {
    localStorage.setItem(keyOf(outgoing), JSON.stringify(outgoing));
    return true;
  } catch {
    return false;
  }
}

function drop(outgoing: Addressed): void {
  try {
    localStorage.removeItem(keyOf(outgoing));
  } catch {
    // Nothing was kept.
  }
}

/** Whether it still waits: another tab may have taken it back. */
const isKept = (outgoing: Outgoing) => {
  try {
    return localStorage.getItem(keyOf(outgoing)) !== null;
  } catch {
    return false;
  }
};

function keptFor(userId: number): Outgoing[] {
  const kept: Outgoing[] = [];
  const names = Array.from({ length: localStorage.length }, (_, index) => localStorage.key(index) ?? "");
  for (const name of names.filter((key) => key.startsWith(`${PREFIX}${userId}.`))) {
    try {
      kept.push(JSON.parse(localStorage.getItem(name) ?? "") as Outgoing);
    } catch {
      localStorage.removeItem(name);
    }
  }
  return kept;
}

/**
 * Sends what people submit or skip while they already work on the next unit, and goes on trying while the server is
 * out of reach. A submission's key makes it count once, however often it is sent.
 */
export function makeOutbox(send: Send) {
  let entries: readonly Entry[] = [];
  const timers = new Map<number, ReturnType<typeof setTimeout>>();
  const underWay = new Map<number, Promise<void>>();
  // What stands on the device too, where another tab may take it back.
  const onDevice = new Set<Outgoing>();
  const watchers = new Set<() => void>();
  const listeners = new Set<Listener>();

  const find = (id: number) => entries.find((entry) => entry.outgoing.assignmentId === id);

  function put(id: number, entry: Entry | null) {
    const others = entries.filter((other) => other.outgoing.assignmentId !== id);
    entries = entry ? [...others, entry] : others;
    for (const watcher of watchers) watcher();
  }

  function later(outgoing: Outgoing, wait: number, nextWait: number) {
    clearTimeout(timers.get(outgoing.assignmentId));
    timers.set(
      outgoing.assignmentId,
      setTimeout(() => void attempt(outgoing, nextWait), wait),
    );
  }

  function attempt(outgoing: Outgoing, wait = FIRST_RETRY_MS): Promise<void> {
    const id = outgoing.assignmentId;
    const running = underWay.get(id);
    if (running) return running;
    clearTimeout(timers.get(id));
    const trying = deliver(outgoing, wait).finally(() => underWay.delete(id));
    underWay.set(id, trying);
    return trying;
  }

  async function deliver(outgoing: Outgoing, wait: number) {
    const id = outgoing.assignmentId;
    if (isSkip(outgoing) && onDevice.has(outgoing) && !isKept(outgoing)) {
      put(id, null);
      return;
    }
    put(id, { outgoing, state: "sending", problem: null });
    try {
      const stored = await send(outgoing);
      drop(outgoing);
      dropFromDevice(outgoing.userId, id);
      put(id, null);
      for (const listener of listeners) listener(outgoing, stored, null);
    } catch (error) {
      const problem = asProblem(error);
      if (problem.isPassing || problem.status === 401) {
        put(id, { outgoing, state: "waiting", problem });
        later(outgoing, wait, Math.min(wait * 2, LONGEST_RETRY_MS));
      } else {
        // The words are still in the draft, where the person meets them again.
        drop(outgoing);
        put(id, { outgoing, state: "refused", problem });
        for (const listener of listeners) listener(outgoing, null, problem);
      }
    }
  }

  function post(outgoing: Outgoing) {
    if (keep(outgoing)) onDevice.add(outgoing);
    take(outgoing);
  }

  /** Sends it, or holds it for as long as it can be taken back. */
  function take(outgoing: Outgoing) {
    const wait = isSkip(outgoing) ? Math.min(outgoing.sendAt - Date.now(), LONGEST_HOLD_MS) : 0;
    if (wait <= 0) {
      void attempt(outgoing);
      return;
    }
    put(outgoing.assignmentId, { outgoing, state: "held", problem: null });
    later(outgoing, wait, FIRST_RETRY_MS);
  }

  /** Takes back what has not been sent, or puts away a refusal that was read. */
  function takeBack(id: number) {
    const entry = find(id);
    if (!entry || entry.state === "sending") return;
    clearTimeout(timers.get(id));
    drop(entry.outgoing);
    put(id, null);
  }

  /** Tries everything at once, or all but what can still be taken back; resolves when each has been tried. */
  async function flush(withHeld = true): Promise<void> {
    const going = entries.filter(({ state }) => state !== "refused" && (withHeld || state !== "held"));
    await Promise.all(going.map((entry) => attempt(entry.outgoing)));
  }

  /** Sends what an earlier visit could not send; what another tab holds is held here too. */
  function takeUp(userId: number) {
    for (const outgoing of keptFor(userId)) {
      if (find(outgoing.assignmentId)) continue;
      onDevice.add(outgoing);
      take(outgoing);
    }
  }

  /** Sends what is left from earlier, and whatever waits when the network or the session is back. */
  function start(userId: number): () => void {
    // What somebody else has left here waits on the device until they are back.
    for (const { outgoing } of entries.filter((entry) => entry.outgoing.userId !== userId)) {
      clearTimeout(timers.get(outgoing.assignmentId));
      put(outgoing.assignmentId, null);
    }
    takeUp(userId);
    const retry = () => {
      for (const { outgoing, state } of entries) if (state === "waiting") void attempt(outgoing);
    };
    const stopListening = onSessionChange((isSignedIn) => isSignedIn && retry());
    window.addEventListener("online", retry);
    return () => {
      window.removeEventListener("online", retry);
      stopListening();
    };
  }

  function watch(watcher: () => void) {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  }

  function onSettled(listener: Listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  return {
    post,
    takeBack,
    flush,
    takeUp,
    start,
    watch,
    onSettled,
    has: (id: number) => find(id) !== undefined,
    holds: (id: number) => find(id)?.state === "held",
    read: () => entries,
  };
}

async function sendToServer(outgoing: Outgoing): Promise<Submitted | null> {
  const params = { path: { assignment_id: outgoing.assignmentId } };
  if (!isSkip(outgoing)) {
    return bodyOf(api.POST("/api/assignments/{assignment_id}/submit", { params, body: outgoing.submission }));
  }
  await api.POST("/api/assignments/{assignment_id}/skip", { params, body: { reason: outgoing.skipReason } });
  return null;
}

export const outbox = makeOutbox(sendToServer);

export function useOutbox(): readonly Entry[] {
  return useSyncExternalStore(outbox.watch, outbox.read);
}
