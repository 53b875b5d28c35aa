import { useCallback, useEffect, useRef, useState } from "react";
import { asProblem } from "@/lib/api/problem";
import type { Assignment } from "@/lib/api/types";
import { renewLease } from "./api";

const INPUTS = ["keydown", "pointerdown", "wheel", "touchmove"] as const;
const IDLE_AFTER_MS = 60_000;

/** Keeps the unit ours while the person is active, and counts the seconds they are. */
export function useLease(assignment: Assignment) {
  const [hasEnded, setEnded] = useState(false);
  const active = useRef({ seconds: 0, lastInput: Date.now(), lastTick: Date.now() });

  const activeSeconds = useCallback(() => active.current.seconds, []);

  useEffect(() => {
    const state = active.current;
    let interval = Math.max(10_000, (assignment.seconds_left * 1000) / 3);
    let renewedAt = Date.now();
    let isRenewing = false;

    async function renew() {
      if (isRenewing) return;
      isRenewing = true;
      renewedAt = Date.now();
      try {
        const lease = await renewLease(assignment.id);
        interval = Math.max(10_000, (lease.seconds_left * 1000) / 3);
        setEnded(false);
      } catch (error) {
        if (asProblem(error).status === 409) setEnded(true);
      } finally {
        isRenewing = false;
      }
    }

    function onInput() {
      state.lastInput = Date.now();
      if (Date.now() - renewedAt > interval) void renew();
    }

    const timer = setInterval(() => {
      const now = Date.now();
      const isActive = document.visibilityState === "visible" && now - state.lastInput < IDLE_AFTER_MS;
      if (isActive) state.seconds += (now - state.lastTick) / 1000;
      state.lastTick = now;
      if (now - renewedAt > interval && now - state.lastInput < interval) void renew();
    }, 1000);
    for (const name of INPUTS) window.addEventListener(name, onInput, { passive: true });
    return () => {
      clearInterval(timer);
      for (const name of INPUTS) window.removeEventListener(name, onInput);
    };
  }, [assignment.id, assignment.seconds_left]);

  return { hasEnded, activeSeconds };
}
