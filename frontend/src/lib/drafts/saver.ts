import { asProblem } from "../api/problem";
import { keepOnDevice } from "./device-store";
import { type DeviceDraft, type ServerDraft, sameContent } from "./reconcile";

/** What the person is told. "device": only here for now; "nowhere": neither the server nor this device has it. */
export type SaveState = "saved" | "saving" | "device" | "nowhere" | "conflict";

const PAUSE_MS = 1000;
const LONGEST_WAIT_MS = 5000;
const MOST_SENT = 4;
const RETRY_MS = [2000, 4000, 8000, 15_000, 30_000];

interface SaverOptions<C> {
  userId: number;
  assignmentId: number;
  revision: number;
  put: (content: C, revision: number, isLeaving: boolean) => Promise<{ revision: number; saved_at: string }>;
  onState: (state: SaveState) => void;
  onConflict: (server: ServerDraft<C>) => void;
}

export interface Saver<C> {
  change: (content: C) => void;
  /** Saves now what is not saved yet; `isLeaving` when the page may vanish before the answer. */
  flush: (isLeaving?: boolean) => Promise<void>;
  /** After a conflict: writes `content` upon the server's `revision`. */
  settle: (content: C, revision: number) => void;
  /** Stops saving. The device's copy stays. */
  close: () => void;
}

/** Saves a draft on the device with every change and on the server soon after a pause, one request at a time. */
export function makeSaver<C>(options: SaverOptions<C>): Saver<C> {
  const { userId, assignmentId } = options;
  let { revision } = options;
  let pending: { content: C; changedAt: string } | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let firstUnsavedAt = 0;
  let failures = 0;
  let inFlight: Promise<void> | null = null;
  // What was sent last, the newest at the end: met on the server, it is nobody else's.
  let sentLately: C[] = [];
  let isOnDevice = true;
  let isStopped = false;

  function keep(content: C, changedAt: string, isSaved: boolean) {
    const sent = sentLately.findLast((other) => other !== content);
    const draft: DeviceDraft<C> = { content, baseRevision: revision, changedAt, isSaved, sent };
    isOnDevice = keepOnDevice(userId, assignmentId, draft);
  }

  function schedule(wait: number) {
    clearTimeout(timer);
    timer = setTimeout(() => void flush(), wait);
  }

  function change(content: C) {
    if (isStopped) return;
    if (!pending) firstUnsavedAt = Date.now();
    pending = { content, changedAt: new Date().toISOString() };
    keep(content, pending.changedAt, false);
    if (failures) return;
    options.onState("saving");
    schedule(Math.max(0, Math.min(PAUSE_MS, firstUnsavedAt + LONGEST_WAIT_MS - Date.now())));
  }

  async function flush(isLeaving = false): Promise<void> {
    clearTimeout(timer);
    if (inFlight && !isLeaving) await inFlight;
    if (!pending || isStopped) return;
    inFlight = save(pending, isLeaving).finally(() => {
      inFlight = null;
    });
    await inFlight;
  }

  async function save(sent: { content: C; changedAt: string }, isLeaving: boolean) {
    sentLately = [...sentLately.filter((other) => other !== sent.content), sent.content].slice(-MOST_SENT);
    try {
      const stored = await options.put(sent.content, revision, isLeaving);
      revision = Math.max(revision, stored.revision);
      failures = 0;
      if (isStopped) return;
      if (pending === sent) arrived(sent);
      else {
        firstUnsavedAt = Date.now();
        if (pending) keep(pending.content, pending.changedAt, false);
        schedule(PAUSE_MS);
      }
    } catch (error) {
      if (!isStopped) failed(error);
    }
  }

  function arrived(sent: { content: C; changedAt: string }) {
    pending = null;
    keep(sent.content, sent.changedAt, true);
    options.onState("saved");
  }

  function refused(stored: ServerDraft<C>) {
    if (sentLately.some((own) => sameContent(own, stored.content))) {
      // Two of one's own saves were under way, or the answer to one was lost.
      revision = Math.max(revision, stored.revision);
      if (pending && sameContent(pending.content, stored.content)) arrived(pending);
      else if (pending) schedule(0);
      return;
    }
    isStopped = true;
    options.onState("conflict");
    options.onConflict(stored);
  }

  function failed(error: unknown) {
    const problem = asProblem(error);
    if (problem.status === 409 && problem.code === "draft_conflict" && problem.body.draft) {
      refused(problem.body.draft as ServerDraft<C>);
      return;
    }
    options.onState(isOnDevice ? "device" : "nowhere");
    schedule(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 30_000);
    failures += 1;
  }

  function settle(content: C, serverRevision: number) {
    isStopped = false;
    revision = serverRevision;
    failures = 0;
    pending = null;
    change(content);
  }

  function close() {
    isStopped = true;
    clearTimeout(timer);
  }

  return { change, flush, settle, close };
}
