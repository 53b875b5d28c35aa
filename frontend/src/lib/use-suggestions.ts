import { createContext, useCallback, useContext, useEffect, useRef, useState } from "react";
import { api, bodyOf } from "@/lib/api/client";
import { readEvents } from "@/lib/api/event-stream";
import { Problem } from "@/lib/api/problem";
import type { components } from "@/lib/api/schema";
import type { Assignment, Message } from "@/lib/api/types";

/** A suggestion on its way or arrived. `id` is 0 until the server has given it one. */
export interface Offer {
  /** Names it on the page, from before it has an id. */
  key: number;
  id: number;
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

type Offers = Record<string, Offer[]>;
type Asked = components["schemas"]["SuggestionRequestRequest"];

const askServer = (assignment_id: number, body: Asked, signal: AbortSignal) =>
  bodyOf(
    api.POST("/api/assignments/{assignment_id}/suggestions", {
      params: { path: { assignment_id } },
      body,
      parseAs: "stream",
      signal,
    }),
  );

/** Who answers: the server; in practice, what was written beforehand. */
export const Answering = createContext<typeof askServer>(askServer);

/**
 * Suggestions of the current policy, any number for each turn, read token by token. `turnOf` tells to which turn an
 * earlier one belongs; `onOffered` is told the id of each new one.
 */
export function useSuggestions(
  assignment: Assignment,
  turnOf: (suggestion: { id: number; turn: number }) => string | undefined,
  onOffered: (turnKey: string, id: number) => void,
) {
  const [offers, setOffers] = useState<Offers>(() => {
    const earlier: Offers = {};
    for (const known of assignment.suggestions) {
      const turn = turnOf(known);
      if (known.outcome !== "offered" || !known.text || turn === undefined) continue;
      const state = known.is_complete ? "done" : "stopped";
      earlier[turn] ??= [];
      earlier[turn].push({ key: -known.id, id: known.id, text: known.text, state, detail: "" });
    }
    return earlier;
  });
  const answer = useContext(Answering);
  const numAsked = useRef(0);
  const running = useRef(new Map<string, { key: number; controller: AbortController }>());

  useEffect(() => {
    const inFlight = running.current;
    return () => {
      for (const { controller } of inFlight.values()) controller.abort();
    };
  }, []);

  const update = useCallback((turn: string, key: number, change: (offer: Offer) => Offer) => {
    setOffers((before) => {
      const list = before[turn];
      return list ? { ...before, [turn]: list.map((o) => (o.key === key ? change(o) : o)) } : before;
    });
  }, []);

  /**
   * `place`: the turn's place in the whole dialogue, as the server counts; `beside`: with which other answer it will
   * stand, in a chat. What failed before makes room.
   */
  const ask = useCallback(
    async (turn: string, place: number, messages: Message[], beside?: { pair: number; side: number }) => {
      running.current.get(turn)?.controller.abort();
      const controller = new AbortController();
      numAsked.current += 1;
      const key = numAsked.current;
      running.current.set(turn, { key, controller });
      const asked: Offer = { key, id: 0, text: "", state: "streaming", detail: "" };
      setOffers((before) => {
        const kept = (before[turn] ?? []).filter((offer) => offer.text);
        return { ...before, [turn]: [...kept, asked] };
      });
      const request = () => answer(assignment.id, { turn: place, messages, ...beside }, controller.signal);
      try {
        const body = await request().catch(async (error) => {
          // The server may not have noticed yet that the one before was broken off.
          if (!(error instanceof Problem && error.status === 429)) throw error;
          await new Promise((done) => setTimeout(done, 1000));
          if (controller.signal.aborted) throw error;
          return request();
        });
        if (!body) throw new Error("no body");
        for await (const { event, data } of readEvents(body)) {
          const { id = 0, text = "", detail = "" } = data as Parts;
          if (event === "start") {
            update(turn, key, (offer) => ({ ...offer, id }));
            onOffered(turn, id);
          } else if (event === "token") update(turn, key, (offer) => ({ ...offer, text: offer.text + text }));
          else if (event === "end") update(turn, key, (offer) => ({ ...offer, text, state: "done" }));
          else if (event === "error") update(turn, key, (offer) => ({ ...offer, state: "failed", detail }));
        }
        update(turn, key, (offer) => (offer.state === "streaming" ? { ...offer, state: "failed" } : offer));
      } catch (error) {
        if (controller.signal.aborted) return;
        const detail = error instanceof Error ? error.message : "";
        update(turn, key, (offer) => ({ ...offer, state: "failed", detail }));
      }
    },
    [answer, assignment.id, onOffered, update],
  );

  const stop = useCallback(
    (turn: string) => {
      const inFlight = running.current.get(turn);
      if (!inFlight) return;
      inFlight.controller.abort();
      update(turn, inFlight.key, (offer) => ({ ...offer, state: "stopped" }));
    },
    [update],
  );

  /** Takes one away, or all of a turn's. */
  const dismiss = useCallback((turn: string, key?: number) => {
    const inFlight = running.current.get(turn);
    if (inFlight && (key === undefined || key === inFlight.key)) inFlight.controller.abort();
    setOffers((before) => {
      const kept = key === undefined ? [] : (before[turn] ?? []).filter((offer) => offer.key !== key);
      return { ...before, [turn]: kept };
    });
  }, []);

  return { offers, ask, stop, dismiss };
}
