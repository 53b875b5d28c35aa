import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Problem } from "../api/problem";
import { sessionEnded, sessionRenewed } from "../api/session";
import { keepOnDevice, readFromDevice } from "./device-store";
import { makeOutbox } from "./outbox";
import { isSkip, type Outgoing } from "./outgoing";

/** A server that stores a submission once for each key, and can be out of reach or refuse. */
function makeServer() {
  const server = {
    stored: [] as string[],
    skipped: [] as number[],
    numAsked: 0,
    answersWith: null as Problem | null,
    send: async (outgoing: Outgoing) => {
      server.numAsked += 1;
      if (server.answersWith) throw server.answersWith;
      if (isSkip(outgoing)) {
        server.skipped.push(outgoing.assignmentId);
        return null;
      }
      const key = outgoing.submission.submission_key;
      if (!server.stored.includes(key)) server.stored.push(key);
      return { id: 1, kind: "ranking" as const, is_surplus: false };
    },
  };
  return server;
}

const submission = (assignmentId: number): Outgoing => ({
  userId: 1,
  assignmentId,
  submission: { submission_key: `key of ${assignmentId}`, tiers: [[1], [2]], all_bad: false },
});
const skip = (assignmentId: number): Outgoing => ({
  userId: 1,
  assignmentId,
  skipReason: "unclear",
  sendAt: Date.now() + 6000,
});
const offline = () => new Problem(0, {});
const refusal = () => new Problem(400, { detail: "Rank at least two." });

let kept: Map<string, string>;
let server: ReturnType<typeof makeServer>;

beforeEach(() => {
  vi.useFakeTimers();
  kept = new Map();
  server = makeServer();
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("localStorage", {
    get length() {
      return kept.size;
    },
    key: (index: number) => [...kept.keys()][index] ?? null,
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("what was stored leaves the device, and who listens is told", async () => {
  const outbox = makeOutbox(server.send);
  const told: number[] = [];
  outbox.onSettled((outgoing) => told.push(outgoing.assignmentId));
  keepOnDevice(1, 7, { content: "words", baseRevision: 0, changedAt: "", isSaved: false });
  outbox.post(submission(7));
  expect(kept.has("parley.outbox.1.7")).toBe(true);
  await outbox.flush();
  expect(server.stored).toEqual(["key of 7"]);
  expect([kept.size, outbox.read(), told]).toEqual([0, [], [7]]);
});

test("out of reach, it is tried again, more and more seldom, until it is stored once", async () => {
  const outbox = makeOutbox(server.send);
  server.answersWith = offline();
  outbox.post(submission(7));
  await vi.advanceTimersByTimeAsync(2000 + 4000 + 8000);
  expect(server.numAsked).toBe(4);
  expect(outbox.read()[0]?.state).toBe("waiting");
  server.answersWith = null;
  await vi.advanceTimersByTimeAsync(16_000);
  expect(server.stored).toEqual(["key of 7"]);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(server.numAsked).toBe(5);
});

test("a later visit sends what an earlier one could not, with the same key", async () => {
  server.answersWith = offline();
  const earlier = makeOutbox(server.send);
  earlier.post(submission(7));
  await vi.advanceTimersByTimeAsync(0);
  vi.clearAllTimers();
  server.answersWith = null;
  const later = makeOutbox(server.send);
  later.start(2); // somebody else on this device
  await later.flush();
  expect(server.stored).toEqual([]);
  later.start(1);
  await later.flush();
  expect(server.stored).toEqual(["key of 7"]);
});

test("a refusal is shown, the words stay in the draft, and nothing is sent again", async () => {
  const outbox = makeOutbox(server.send);
  server.answersWith = refusal();
  keepOnDevice(1, 7, { content: "words", baseRevision: 0, changedAt: "", isSaved: false });
  outbox.post(submission(7));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(outbox.read().map(({ state, problem }) => [state, problem?.message])).toEqual([
    ["refused", "Rank at least two."],
  ]);
  expect(server.numAsked).toBe(1);
  expect(readFromDevice(1, 7)?.content).toBe("words");
  outbox.takeBack(7);
  expect(outbox.read()).toEqual([]);
});

test("a skip can be taken back for some seconds; then it is sent", async () => {
  const outbox = makeOutbox(server.send);
  outbox.post(skip(7));
  outbox.post(skip(8));
  await vi.advanceTimersByTimeAsync(5000);
  expect(outbox.read().map((entry) => entry.state)).toEqual(["held", "held"]);
  outbox.takeBack(7);
  await vi.advanceTimersByTimeAsync(2000);
  expect(server.skipped).toEqual([8]);
  expect([kept.size, outbox.read()]).toEqual([0, []]);
});

test("without a session it waits for the person to sign in again", async () => {
  const outbox = makeOutbox(server.send);
  outbox.start(1);
  server.answersWith = new Problem(401, {});
  outbox.post(submission(7));
  await vi.advanceTimersByTimeAsync(0);
  expect(outbox.read()[0]?.state).toBe("waiting");
  server.answersWith = null;
  sessionEnded();
  sessionRenewed();
  await vi.advanceTimersByTimeAsync(0);
  expect(server.stored).toEqual(["key of 7"]);
});

test("the network's return sends at once", async () => {
  const outbox = makeOutbox(server.send);
  outbox.start(1);
  server.answersWith = offline();
  outbox.post(submission(7));
  await vi.advanceTimersByTimeAsync(0);
  server.answersWith = null;
  window.dispatchEvent(new Event("online"));
  await vi.advanceTimersByTimeAsync(0);
  expect(server.stored).toEqual(["key of 7"]);
});

test("a second tab holds a skip as long as the first, and whichever takes it back takes it back for both", async () => {
  const [one, other] = [makeOutbox(server.send), makeOutbox(server.send)];
  one.post(skip(7));
  one.post(skip(8));
  await vi.advanceTimersByTimeAsync(2000);
  other.start(1);
  await other.flush(false);
  expect(other.read().map((entry) => entry.state)).toEqual(["held", "held"]);
  expect(server.skipped).toEqual([]);
  one.takeBack(7);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(server.skipped).toEqual([8]);
  expect([one.read(), other.read(), kept.size]).toEqual([[], [], 0]);
});

test("a clock that is set back holds a skip no longer", async () => {
  const outbox = makeOutbox(server.send);
  outbox.post({ ...skip(7), sendAt: Date.now() + 3_600_000 });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(server.skipped).toEqual([7]);
});

test("nothing is sent as another person, and nothing is dropped", async () => {
  const outbox = makeOutbox(server.send);
  const stop = outbox.start(1);
  server.answersWith = offline();
  outbox.post(submission(7));
  await vi.advanceTimersByTimeAsync(0);
  stop();
  server.answersWith = null;
  outbox.start(2); // who signs in after them
  await outbox.flush();
  await vi.advanceTimersByTimeAsync(120_000);
  expect([server.stored, outbox.read(), kept.has("parley.outbox.1.7")]).toEqual([[], [], true]);
  outbox.start(1);
  await outbox.flush();
  expect(server.stored).toEqual(["key of 7"]);
});

test("in a tab of theirs it waits while somebody else is signed in in the browser", async () => {
  const outbox = makeOutbox(server.send);
  outbox.start(1);
  server.answersWith = new Problem(401, { errors: [{ field: "", reason: "", code: "other_login" }] });
  outbox.post(submission(7));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(outbox.read()[0]?.state).toBe("waiting");
  expect(kept.has("parley.outbox.1.7")).toBe(true);
});
