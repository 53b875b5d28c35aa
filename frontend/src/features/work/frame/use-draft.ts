import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { onSessionChange } from "@/lib/api/session";
import type { Assignment } from "@/lib/api/types";
import { keepSecondsOnDevice, readFromDevice, secondsOnDevice } from "@/lib/drafts/device-store";
import { type Reconciled, reconcile, type ServerDraft } from "@/lib/drafts/reconcile";
import { makeSaver, type Saver, type SaveState } from "@/lib/drafts/saver";
import type { AnyWorkKind } from "@/lib/work";
import { putDraft } from "./api";

export interface Conflict {
  /** What stands on this device. */
  here: unknown;
  /** What was saved from another window or device. */
  there: ServerDraft<unknown>;
}

interface Stored {
  seconds_spent?: number;
  /** The revision that is being corrected. */
  revises?: number;
}

/** What the server holds of this unit's words: its draft, or, once handed in, what was, until a correction is begun. */
function onServer(assignment: Assignment, kind: AnyWorkKind): ServerDraft<unknown> | null {
  const { draft, submitted } = assignment;
  if (!submitted || (draft?.content as Stored | undefined)?.revises === submitted.revision) {
    return draft as ServerDraft<unknown> | null;
  }
  const content = kind.restore(assignment, submitted.content);
  return {
    content: { ...content, seconds_spent: submitted.seconds_spent ?? 0 },
    revision: draft?.revision ?? 0,
    saved_at: submitted.given_at,
  };
}

/** The words of one unit, kept on the device with every change and on the server soon after. */
export function useDraft(
  assignment: Assignment,
  kind: AnyWorkKind,
  userId: number,
  activeSeconds: () => number,
) {
  const [opened] = useState<Reconciled<unknown>>(() =>
    reconcile(onServer(assignment, kind), readFromDevice(userId, assignment.id)),
  );
  const initial =
    opened.kind === "empty" ? null : opened.kind === "conflict" ? opened.device.content : opened.content;
  const [content, setContent] = useState(() => kind.read(assignment, initial));
  const [saveState, setSaveState] = useState<SaveState>(opened.kind === "conflict" ? "conflict" : "saved");
  const [conflict, setConflict] = useState<Conflict | null>(
    opened.kind === "conflict" ? { here: opened.device.content, there: opened.server } : null,
  );
  // The version that was not chosen: kept while the unit is open, so that a choice can be taken back.
  const [other, setOther] = useState<unknown>(null);
  const latest = useRef(content);
  const saver = useRef<Saver<unknown> | null>(null);
  // What was worked after the last letter is on the device alone.
  const earlierSeconds = useRef(
    Math.max((initial as Stored | null)?.seconds_spent ?? 0, secondsOnDevice(userId, assignment.id)),
  );
  const isClosed = useRef(false);
  const isTouched = useRef(opened.kind !== "empty");

  const withTime = useCallback(
    (value: unknown) => ({
      ...(value as object),
      seconds_spent: Math.round(earlierSeconds.current + activeSeconds()),
      revises: assignment.submitted?.revision,
    }),
    [activeSeconds, assignment.submitted],
  );

  // With the page and not after it is painted: the first word may come at once.
  useLayoutEffect(() => {
    const made = makeSaver<unknown>({
      userId,
      assignmentId: assignment.id,
      revision: opened.kind === "empty" || opened.kind === "conflict" ? 0 : opened.revision,
      put: (value, revision, isLeaving) => putDraft(assignment.id, value, revision, isLeaving),
      onState: setSaveState,
      onConflict: (there) => setConflict({ here: withTime(latest.current), there }),
    });
    saver.current = made;
    if (opened.kind === "device") made.change(withTime(latest.current));
    const leave = () => document.visibilityState === "hidden" && void made.flush(true);
    const retry = () => void made.flush();
    const stopListening = onSessionChange((isSignedIn) => isSignedIn && retry());
    document.addEventListener("visibilitychange", leave);
    window.addEventListener("online", retry);
    return () => {
      document.removeEventListener("visibilitychange", leave);
      window.removeEventListener("online", retry);
      stopListening();
      void made.flush(true);
    };
  }, [assignment.id, userId, opened, withTime]);

  const change = useCallback(
    (next: (before: unknown) => unknown) => {
      const after = next(latest.current);
      if (after === latest.current) return;
      latest.current = after;
      isTouched.current = true;
      setContent(after);
      saver.current?.change(withTime(after));
    },
    [withTime],
  );

  // Reading is work too, and changes no word: its time is kept however the page is left.
  useEffect(() => {
    const keep = () => {
      const seconds = Math.round(earlierSeconds.current + activeSeconds());
      if (!isClosed.current && seconds > earlierSeconds.current)
        keepSecondsOnDevice(userId, assignment.id, seconds);
    };
    const timer = setInterval(keep, 2000);
    window.addEventListener("pagehide", keep);
    return () => {
      clearInterval(timer);
      window.removeEventListener("pagehide", keep);
      keep();
    };
  }, [activeSeconds, assignment.id, userId]);

  function settle(keepHere: boolean) {
    if (!conflict) return;
    const [chosen, left] = keepHere
      ? [conflict.here, conflict.there.content]
      : [conflict.there.content, conflict.here];
    latest.current = kind.read(assignment, chosen);
    setContent(latest.current);
    setOther(left);
    setConflict(null);
    saver.current?.settle(withTime(latest.current), conflict.there.revision);
  }

  function switchToOther() {
    setOther(latest.current);
    change(() => kind.read(assignment, other));
  }

  return {
    content,
    change,
    saveState,
    conflict,
    settle,
    hasOther: other !== null,
    switchToOther,
    flush: () => void saver.current?.flush(true),
    /** No more saving: what is handed in keeps its copy on the device until the server has it. */
    close: () => {
      isClosed.current = true;
      saver.current?.close();
    },
    isTouched: () => isTouched.current,
    earlierSeconds: earlierSeconds.current,
    secondsSpent: () => Math.round(earlierSeconds.current + activeSeconds()),
  };
}

export type OpenDraft = ReturnType<typeof useDraft>;
