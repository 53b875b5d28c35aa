import { useSyncExternalStore } from "react";
import { api, bodyOf } from "../api/client";
import { asProblem, type Problem } from "../api/problem";
import type { components } from "../api/schema";
import { onSessionChange } from "../api/session";
import { dropFromDevice } from "./device-store";
import { drop, isSkip, isTakenBack, keep, keptFor, type Outgoing } from "./outgoing";

export type Submitted = components["schemas"]["Submitted"];

export interface Entry {
  outgoing: Outgoing;
  /** held: it can still be taken back; waiting: the server was out of reach; refused: it is the person's again. */
  state: "held" | "sending" | "waiting" | "refused";
  problem: Problem | null;
}

type Send = (outgoing: Outgoing) => Promise<Submitted | null>;
/** Told what the server said: what it stored (null for a skip), or why it refused. */
type Listener = (outgoing: Outgoing, stored: Submitted | null, problem: Problem | null) => void;

const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30_000;
// However the device's clock is set meanwhile.
const LONGEST_HOLD_MS = 10_000;

/** What is on its way, one entry a unit; whoever watches is told of each change. */
function makeEntries() {
  let entries: readonly Entry[] = [];
  const watchers = new Set<() => void>();
  return {
    read: () => entries,
    find: (id: number) => entries.find((entry) => entry.outgoing.assignmentId === id),
    put(id: number, entry: Entry | null) {
      const others = entries.filter((other) => other.outgoing.assignmentId !== id);
      entries = entry ? [...others, entry] : others;
      for (const watcher of watchers) watcher();
    },
    watch(watcher: () => void) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

/** Sends one thing a unit at a time, and tries again, ever more rarely, while the server is out of reach. */
function makeDelivery(send: Send, entries: ReturnType<typeof makeEntries>, tell: Listener) {
  const timers = new Map<number, ReturnType<typeof setTimeout>>();
  const underWay = new Map<number, Promise<void>>();

  const putOff = (id: number) => clearTimeout(timers.get(id));

  function later(outgoing: Outgoing, wait: number, nextWait = FIRST_RETRY_MS) {
    putOff(outgoing.assignmentId);
    timers.set(
      outgoing.assignmentId,
      setTimeout(() => void attempt(outgoing, nextWait), wait),
    );
  }

  function attempt(outgoing: Outgoing, wait = FIRST_RETRY_MS): Promise<void> {
    const id = outgoing.assignmentId;
    const running = underWay.get(id);
    if (running) return running;
    putOff(id);
    const trying = deliver(outgoing, wait).finally(() => underWay.delete(id));
    underWay.set(id, trying);
    return trying;
  }

  async function deliver(outgoing: Outgoing, wait: number) {
    const id = outgoing.assignmentId;
    if (isTakenBack(outgoing)) {
      entries.put(id, null);
      return;
    }
    entries.put(id, { outgoing, state: "sending", problem: null });
    try {
      const stored = await send(outgoing);
      drop(outgoing);
      dropFromDevice(outgoing.userId, id);
      entries.put(id, null);
      tell(outgoing, stored, null);
    } catch (error) {
      const problem = asProblem(error);
      if (problem.isPassing || problem.status === 401) {
        entries.put(id, { outgoing, state: "waiting", problem });
        later(outgoing, wait, Math.min(wait * 2, LONGEST_RETRY_MS));
      } else {
        // The words are still in the draft, where the person meets them again.
        drop(outgoing);
        entries.put(id, { outgoing, state: "refused", problem });
        tell(outgoing, null, problem);
      }
    }
  }

  return { attempt, later, putOff };
}

/**
 * Sends what people submit or skip while they already work on the next unit, and goes on trying while the server is
 * out of reach. A submission's key makes it count once, however often it is sent.
 */
export function makeOutbox(send: Send) {
  const listeners = new Set<Listener>();
  const entries = makeEntries();
  const { attempt, later, putOff } = makeDelivery(send, entries, (...said) => {
    for (const listener of listeners) listener(...said);
  });

  function post(outgoing: Outgoing) {
    keep(outgoing);
    take(outgoing);
  }

  /** Sends it, or holds it for as long as it can be taken back. */
  function take(outgoing: Outgoing) {
    const wait = isSkip(outgoing) ? Math.min(outgoing.sendAt - Date.now(), LONGEST_HOLD_MS) : 0;
    if (wait <= 0) {
      void attempt(outgoing);
      return;
    }
    entries.put(outgoing.assignmentId, { outgoing, state: "held", problem: null });
    later(outgoing, wait);
  }

  /** Takes back what has not been sent, or puts away a refusal that was read. */
  function takeBack(id: number) {
    const entry = entries.find(id);
    if (!entry || entry.state === "sending") return;
    putOff(id);
    drop(entry.outgoing);
    entries.put(id, null);
  }

  /** Tries everything at once, or all but what can still be taken back; resolves when each has been tried. */
  async function flush(withHeld = true): Promise<void> {
    const going = entries.read().filter(({ state }) => state !== "refused" && (withHeld || state !== "held"));
    await Promise.all(going.map((entry) => attempt(entry.outgoing)));
  }

  /** Sends what an earlier visit could not send; what another tab holds is held here too. */
  function takeUp(userId: number) {
    for (const outgoing of keptFor(userId)) if (!entries.find(outgoing.assignmentId)) take(outgoing);
  }

  /** Sends what is left from earlier, and whatever waits when the network or the session is back. */
  function start(userId: number): () => void {
    // What somebody else has left here waits on the device until they are back.
    for (const { outgoing } of entries.read().filter((entry) => entry.outgoing.userId !== userId)) {
      putOff(outgoing.assignmentId);
      entries.put(outgoing.assignmentId, null);
    }
    takeUp(userId);
    const retry = () => {
      for (const { outgoing, state } of entries.read()) if (state === "waiting") void attempt(outgoing);
    };
    const stopListening = onSessionChange((isSignedIn) => isSignedIn && retry());
    window.addEventListener("online", retry);
    return () => {
      window.removeEventListener("online", retry);
      stopListening();
    };
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
    onSettled,
    watch: entries.watch,
    read: entries.read,
    has: (id: number) => entries.find(id) !== undefined,
    holds: (id: number) => entries.find(id)?.state === "held",
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
