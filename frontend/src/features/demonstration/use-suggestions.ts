import { useCallback, useEffect, useRef, useState } from "react";
import { api, bodyOf } from "@/lib/api/client";
import { readEvents } from "@/lib/api/event-stream";
import type { Assignment, Message } from "@/lib/api/types";

/** A suggestion on its way or arrived. `id` is 0 until the server has given it one. */
export interface Offer {
  id: number;
  turn: number;
  text: string;
  state: "streaming" | "done" | "stopped" | "failed";
  /** Why it failed, in the server's words; empty when the server was not reached. */
  detail: string;
}

interface Parts {
  id?: number;
  text?: string;
  detail?: string;
}

/** Suggestions of the current policy, one for each turn at a time, read token by token. */
export function useSuggestions(assignment: Assignment) {
  const [offers, setOffers] = useState<Record<number, Offer>>(() => {
    const earlier = assignment.suggestions.filter((known) => known.outcome === "offered" && known.text);
    return Object.fromEntries(
      earlier.map(({ id, turn, text = "", is_complete }) => [
        turn,
        { id, turn, text, state: is_complete ? "done" : "stopped", detail: "" } satisfies Offer,
      ]),
    );
  });
  const running = useRef(new Map<number, AbortController>());

  useEffect(() => {
    const controllers = running.current;
    return () => {
      for (const controller of controllers.values()) controller.abort();
    };
  }, []);

  const update = useCallback((turn: number, change: (offer: Offer) => Offer) => {
    setOffers((before) => {
      const offer = before[turn];
      return offer ? { ...before, [turn]: change(offer) } : before;
    });
  }, []);

  const ask = useCallback(
    async (turn: number, messages: Message[]) => {
      running.current.get(turn)?.abort();
      const controller = new AbortController();
      running.current.set(turn, controller);
      setOffers((before) => ({
        ...before,
        [turn]: { id: 0, turn, text: "", state: "streaming", detail: "" },
      }));
      try {
        const body = await bodyOf(
          api.POST("/api/assignments/{assignment_id}/suggestions", {
            params: { path: { assignment_id: assignment.id } },
            body: { turn, messages },
            parseAs: "stream",
            signal: controller.signal,
          }),
        );
        if (!body) throw new Error("no body");
        for await (const { event, data } of readEvents(body)) {
          const { id, text = "", detail = "" } = data as Parts;
          if (event === "start") update(turn, (offer) => ({ ...offer, id: id ?? 0 }));
          else if (event === "token") update(turn, (offer) => ({ ...offer, text: offer.text + text }));
          else if (event === "end") update(turn, (offer) => ({ ...offer, text, state: "done" }));
          else if (event === "error") update(turn, (offer) => ({ ...offer, state: "failed", detail }));
        }
        update(turn, (offer) => (offer.state === "streaming" ? { ...offer, state: "failed" } : offer));
      } catch (error) {
        if (controller.signal.aborted) return;
        const detail = error instanceof Error ? error.message : "";
        update(turn, (offer) => ({ ...offer, state: "failed", detail }));
      }
    },
    [assignment.id, update],
  );

  const stop = useCallback(
    (turn: number) => {
      running.current.get(turn)?.abort();
      update(turn, (offer) => ({ ...offer, state: "stopped" }));
    },
    [update],
  );

  const dismiss = useCallback((turn: number) => {
    running.current.get(turn)?.abort();
    setOffers(({ [turn]: _gone, ...rest }) => rest);
  }, []);

  return { offers, ask, stop, dismiss };
}
