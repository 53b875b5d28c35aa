import { useEffect, useRef, useState } from "react";
import { makeActiveTime } from "@/lib/active-time";
import { asProblem } from "@/lib/api/problem";
import type { Assignment } from "@/lib/api/types";
import { renewLease } from "./api";

const INPUTS = ["keydown", "pointerdown", "wheel", "touchmove"] as const;

interface LeaseOptions {
  /** False: it was leased ahead, or lay aside; the server is told at once that it is worked on now. */
  isBegun: boolean;
  onRenewed: (secondsLeft: number) => void;
  /** The server has given it to somebody else, or it is no longer ours to see. */
  onLost: () => void;
}

/** Keeps the unit ours while the person is active, and counts the seconds they are. */
export function useLease(assignment: Assignment, options: LeaseOptions) {
  const [minutes, setMinutes] = useState(0);
  const [active] = useState(() => makeActiveTime(() => performance.now()));
  const current = useRef(options);
  current.current = options;

  useEffect(() => {
    const third = (seconds: number) => Math.max(10_000, (seconds * 1000) / 3);
    let interval = third(assignment.seconds_left);
    let renewedAt = performance.now();
    let isRenewing = false;

    async function renew() {
      // What was handed in is held by nobody.
      if (isRenewing || assignment.state === "submitted") return;
      isRenewing = true;
      renewedAt = performance.now();
      try {
        const lease = await renewLease(assignment.id);
        interval = third(lease.seconds_left);
        current.current.onRenewed(lease.seconds_left);
      } catch (error) {
        if ([404, 409].includes(asProblem(error).status)) current.current.onLost();
      } finally {
        isRenewing = false;
      }
    }

    function onInput() {
      active.touch();
      if (performance.now() - renewedAt > interval) void renew();
    }

    if (!current.current.isBegun) void renew();
    const timer = setInterval(() => {
      active.tick(document.visibilityState === "visible");
      setMinutes(Math.floor(active.seconds() / 60));
      if (performance.now() - renewedAt > interval && active.idleFor() < interval) void renew();
    }, 1000);
    for (const name of INPUTS) window.addEventListener(name, onInput, { passive: true });
    return () => {
      clearInterval(timer);
      for (const name of INPUTS) window.removeEventListener(name, onInput);
    };
  }, [active, assignment.id, assignment.seconds_left, assignment.state]);

  return { minutes, activeSeconds: active.seconds };
}
