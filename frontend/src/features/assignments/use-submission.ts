import { useCallback, useEffect, useRef, useState } from "react";
import { asProblem, type Problem } from "@/lib/api/problem";
import { onSessionChange } from "@/lib/api/session";
import type { Submitted } from "./api";
import { keepOutgoing, type Outgoing, sendOutgoing } from "./outbox";

export type Sending = "idle" | "sending" | "waiting";

/** Submits one unit, and goes on trying while the server is out of reach; the key makes it count once. */
export function useSubmission(onStored: (stored: Submitted | null) => void) {
  const [sending, setSending] = useState<Sending>("idle");
  const [problem, setProblem] = useState<Problem | null>(null);
  const outgoing = useRef<Outgoing | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const stored = useRef(onStored);
  stored.current = onStored;

  const attempt = useCallback(async (wait: number) => {
    const current = outgoing.current;
    if (!current) return;
    clearTimeout(timer.current);
    try {
      const answer = await sendOutgoing(current);
      outgoing.current = null;
      setProblem(null);
      stored.current(answer);
    } catch (error) {
      const refused = asProblem(error);
      if (refused.isPassing || refused.status === 401) {
        setSending("waiting");
        timer.current = setTimeout(() => void attempt(Math.min(wait * 2, 30_000)), wait);
      } else {
        outgoing.current = null;
        setSending("idle");
        setProblem(refused);
      }
    }
  }, []);

  useEffect(() => {
    const retry = () => void attempt(2000);
    const stopListening = onSessionChange((isSignedIn) => isSignedIn && retry());
    window.addEventListener("online", retry);
    return () => {
      clearTimeout(timer.current);
      window.removeEventListener("online", retry);
      stopListening();
    };
  }, [attempt]);

  const submit = useCallback(
    (entry: Outgoing) => {
      if (outgoing.current) return;
      outgoing.current = entry;
      keepOutgoing(entry);
      setProblem(null);
      setSending("sending");
      void attempt(2000);
    },
    [attempt],
  );

  return { sending, problem, submit };
}
