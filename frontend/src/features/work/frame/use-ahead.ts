import { useEffect, useMemo, useRef } from "react";
import type { Assignment } from "@/lib/api/types";
import { outbox } from "@/lib/drafts/outbox";
import { leaseAhead, type Next, releaseAhead } from "./api";

const AHEAD_AFTER_MS = 1500;

/** The unit after the one in hand, and until when its lease surely holds. */
interface Held {
  assignment: Assignment;
  until: number;
}

function makeAhead(campaignId: number, isInHand: (id: number) => boolean) {
  let held: Held | null = null;
  let asking: Promise<Next> | null = null;

  /** Asks the server for it, once at a time. What is in hand already is not held: the server was not told yet. */
  function ask(): Promise<Next> {
    asking ??= leaseAhead(campaignId)
      .then((next) => {
        if (next.assignment && !isInHand(next.assignment.id)) hold(next.assignment);
        return next;
      })
      .finally(() => {
        asking = null;
      });
    return asking;
  }

  function hold(assignment: Assignment) {
    held = { assignment, until: performance.now() + assignment.seconds_left * 1000 };
  }

  /** Hands it over, if it is here and surely still ours. */
  function take(): Assignment | null {
    const taken = held && held.until > performance.now() ? held.assignment : null;
    held = null;
    return taken;
  }

  /** Renewing the unit in hand renewed this one on the server too. */
  function extend(secondsLeft: number) {
    if (held) held.until = performance.now() + secondsLeft * 1000;
  }

  /** Gives it back, for others; what another window has begun on stays. */
  function release() {
    const left = take();
    if (left) void releaseAhead(left.id).catch(() => undefined);
  }

  return { ask, take, extend, release, isHeld: () => held !== null };
}

/** Fetches the next unit while one works on this one, so that it is here when this one is submitted. */
export function useAhead(campaignId: number, shownId: number | null) {
  const inHand = useRef(shownId);
  inHand.current = shownId;
  const ahead = useMemo(
    () => makeAhead(campaignId, (id) => id === inHand.current || outbox.has(id)),
    [campaignId],
  );

  useEffect(() => {
    if (shownId === null) return;
    // Out of reach or refused: then it is asked for when it is needed.
    const fetchIt = () => void (ahead.isHeld() || ahead.ask().catch(() => undefined));
    const timer = setTimeout(fetchIt, AHEAD_AFTER_MS);
    return () => clearTimeout(timer);
  }, [ahead, shownId]);

  useEffect(() => {
    window.addEventListener("pagehide", ahead.release);
    return () => {
      window.removeEventListener("pagehide", ahead.release);
      ahead.release();
    };
  }, [ahead]);

  return ahead;
}
