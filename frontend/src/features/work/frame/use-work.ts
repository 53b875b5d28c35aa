import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { useSearchParams } from "react-router";
import { asProblem } from "@/lib/api/problem";
import { onSessionChange } from "@/lib/api/session";
import type { Assignment } from "@/lib/api/types";
import { outbox } from "@/lib/drafts/outbox";
import { isSkip, type Outgoing } from "@/lib/drafts/outgoing";
import { keys } from "@/lib/keys";
import type { Kinds } from "@/lib/kinds";
import { useMe } from "@/lib/me";
import { makeUuid } from "@/lib/uuid";
import type { AnyWorkKind } from "@/lib/work";
import { type Next, readAssignment, takeNext } from "./api";
import type { Finished } from "./unit";
import { useAhead } from "./use-ahead";

const UNDO_MS = 8000;
/** So long it is said that something was submitted. */
const SAID_MS = 10_000;

export type Shown =
  | { name: "looking" }
  | { name: "none"; message: string }
  | { name: "terms" }
  | { name: "corrected" }
  | { name: "trouble"; error: unknown }
  | {
      name: "working";
      visit: number;
      assignment: Assignment;
      kind: AnyWorkKind;
      isBegun: boolean;
      /** Another one was put aside for it. */
      hasAside: boolean;
    };

/** Why there is no unit: terms to be agreed to first, or the server's sentence. */
const withoutWork = ({ reason, message }: Next): Shown =>
  reason === "terms" ? { name: "terms" } : { name: "none", message };

const countsAsDone = (outgoing: Outgoing) => !isSkip(outgoing) && !outgoing.submission.revises;

/** What is on the desk: one unit after the other, each handed in while the next is already here. */
export function useWork(campaignId: number, kinds: Kinds) {
  const me = useMe();
  const queryClient = useQueryClient();
  const [search, setSearch] = useSearchParams();
  const [shown, setShown] = useState<Shown>({ name: "looking" });
  const [numDone, setNumDone] = useState(0);
  const [wasSurplus, setWasSurplus] = useState(false);
  // What the server has just stored, for as long as it is said.
  const [sent, setSent] = useState<{ id: number; isCorrection: boolean } | null>(null);
  const inHand = shown.name === "working" && !shown.assignment.submitted ? shown.assignment.id : null;
  const ahead = useAhead(campaignId, inHand);
  const loaded = useRef(new Map<string, AnyWorkKind>());
  const isFinding = useRef(false);
  // Units that were put aside for one that was opened again; they are begun, so the queue does not give them ahead.
  const aside = useRef<number[]>([]);
  const current = useRef<Shown>(shown);
  current.current = shown;

  const show = useCallback(
    async (assignment: Assignment, isBegun: boolean) => {
      const name = assignment.campaign.kind;
      // No await where the page is known: the next unit is then there in the very next frame.
      const kind = loaded.current.get(name) ?? (await kinds[name].load(kinds));
      loaded.current.set(name, kind);
      const before = current.current;
      const visit = before.name === "working" ? before.visit + 1 : 0;
      const hasAside = aside.current.length > 0;
      // Not first when it is drawn: what arrives in between must not look for yet another one.
      current.current = { name: "working", visit, assignment, kind, isBegun, hasAside };
      setShown(current.current);
      window.scrollTo(0, 0);
    },
    [kinds],
  );

  const continueOrBegin = useCallback(async () => {
    outbox.takeUp(me.id);
    await outbox.flush(false);
    let next = await takeNext(campaignId);
    if (next.assignment && outbox.holds(next.assignment.id)) {
      // Skipped, in another tab perhaps, and not sent yet so that it can be taken back: the one after it, if there is.
      await ahead.ask();
      const found = ahead.take();
      if (found) return show(found, false);
      await outbox.flush();
      next = await takeNext(campaignId);
    }
    if (next.assignment) await show(next.assignment, true);
    else setShown(withoutWork(next));
  }, [ahead, campaignId, me.id, show]);

  /** Asks the server for a unit beside what is still on its way there. */
  const findNext = useCallback(async () => {
    if (isFinding.current) return;
    isFinding.current = true;
    try {
      const left = aside.current.at(-1);
      if (left) {
        const assignment = await readAssignment(left);
        aside.current.pop();
        await show(assignment, false);
        return;
      }
      let beside = await ahead.ask();
      let found = ahead.take();
      while (beside.assignment && !found) {
        // The server gave what has just been handed in, which it did not know yet.
        await outbox.flush();
        beside = await ahead.ask();
        found = ahead.take();
      }
      if (found) await show(found, false);
      else if (beside.reason === "enough_begun") await continueOrBegin();
      else setShown(withoutWork(beside));
    } catch (error) {
      // Out of reach: what was handed in stays on the page, and its arrival starts this again.
      const problem = asProblem(error);
      const waits = (problem.isPassing || problem.status === 401) && current.current.name === "working";
      if (!waits) setShown({ name: "trouble", error });
    } finally {
      isFinding.current = false;
    }
  }, [ahead, continueOrBegin, show]);

  const advance = useCallback(() => {
    const ready = aside.current.length === 0 ? ahead.take() : null;
    void (ready ? show(ready, false) : findNext());
  }, [ahead, findNext, show]);

  /** Opens one of one's own units again; what lies on the desk is put aside. */
  const reopen = useCallback(
    async (id: number) => {
      const before = current.current;
      try {
        const assignment = await readAssignment(id);
        if (before.name === "working" && before.assignment.id !== id)
          aside.current.push(before.assignment.id);
        await show(assignment, false);
        return assignment;
      } catch (error) {
        setShown({ name: "trouble", error });
        return null;
      }
    },
    [show],
  );

  const arrive = useCallback(async () => {
    const wanted = Number(search.get("unit"));
    if (wanted) {
      // What was handed in keeps its address while it is looked at; the others are the next unit from now on.
      const opened = await reopen(wanted);
      if (!opened?.submitted) setSearch({}, { replace: true });
      return;
    }
    try {
      await continueOrBegin();
    } catch (error) {
      setShown({ name: "trouble", error });
    }
  }, [continueOrBegin, reopen, search, setSearch]);

  const lookAgain = useCallback(() => {
    setShown({ name: "looking" });
    void arrive();
  }, [arrive]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: once; it changes the address that it reads
  useEffect(() => void arrive(), []);

  useEffect(() => {
    const retry = (isSignedIn: boolean) => isSignedIn && current.current.name === "trouble" && lookAgain();
    return onSessionChange(retry);
  }, [lookAgain]);

  useEffect(() => {
    const stop = outbox.onSettled((outgoing, stored, problem) => {
      if (stored?.is_surplus) setWasSurplus(true);
      if (stored && !isSkip(outgoing))
        setSent({ id: outgoing.assignmentId, isCorrection: outgoing.submission.revises !== undefined });
      if (problem && countsAsDone(outgoing)) setNumDone((count) => count - 1);
      void queryClient.invalidateQueries({ queryKey: keys.campaigns, refetchType: "none" });
      void queryClient.invalidateQueries({ queryKey: keys.ownWork, refetchType: "none" });
      const page = current.current;
      if (page.name !== "working" || page.assignment.id !== outgoing.assignmentId) return;
      // Nothing has taken its place yet: refused, it is the person's again at once.
      if (!problem && page.assignment.submitted && aside.current.length === 0) {
        setSearch({}, { replace: true });
        setShown({ name: "corrected" });
      } else void (problem ? reopen(page.assignment.id) : findNext());
    });
    return () => void stop();
  }, [findNext, queryClient, reopen, setSearch]);

  useEffect(() => {
    if (!sent) return;
    const timer = setTimeout(() => setSent(null), SAID_MS);
    return () => clearTimeout(timer);
  }, [sent]);

  const working = shown.name === "working" ? shown.assignment.id : 0;
  const submit = useCallback(
    (finished: Finished) => {
      const submission = { ...finished, submission_key: makeUuid() };
      outbox.post({ userId: me.id, assignmentId: working, submission });
      if (submission.revises) return; // a correction stays until it has been taken
      setNumDone((count) => count + 1);
      setWasSurplus(false);
      advance();
    },
    [advance, me.id, working],
  );
  const skip = useCallback(
    (skipReason: string) => {
      const sendAt = Date.now() + UNDO_MS;
      outbox.post({ userId: me.id, assignmentId: working, skipReason, sendAt });
      advance();
    },
    [advance, me.id, working],
  );
  const undoSkip = useCallback(
    (id: number) => {
      outbox.takeBack(id);
      void reopen(id);
    },
    [reopen],
  );

  const undoSent = useCallback(
    (id: number) => {
      setSent(null);
      void reopen(id);
    },
    [reopen],
  );

  return {
    shown,
    numDone,
    sent,
    forgetSent: () => setSent(null),
    undoSent,
    wasSurplus,
    forgetSurplus: () => setWasSurplus(false),
    submit,
    skip,
    reopen: (id: number) => void reopen(id),
    undoSkip,
    findNext: () => void findNext(),
    lookAgain,
    extendAhead: ahead.extend,
  };
}
