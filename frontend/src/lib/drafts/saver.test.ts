import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Problem } from "../api/problem";
import { readFromDevice } from "./device-store";
import { reconcile } from "./reconcile";
import { makeSaver, type SaveState } from "./saver";

/** A server that keeps one draft, as ours does, and can be out of reach. */
function makeServer() {
  const server = {
    stored: null as { content: string; revision: number } | null,
    isDown: false,
    numSaves: 0,
    put: async (content: string, revision: number) => {
      if (server.isDown) throw new Problem(0, {});
      if ((server.stored?.revision ?? 0) !== revision) {
        throw new Problem(409, {
          detail: "changed elsewhere",
          errors: [{ field: "", reason: "", code: "draft_conflict" }],
          draft: { ...server.stored, saved_at: "" },
        });
      }
      server.numSaves += 1;
      server.stored = { content, revision: revision + 1 };
      return { revision: revision + 1, saved_at: "" };
    },
  };
  return server;
}

function makeDevice() {
  const kept = new Map<string, string>();
  return {
    isFull: false,
    getItem: (key: string) => kept.get(key) ?? null,
    setItem(key: string, value: string) {
      if (this.isFull) throw new DOMException("full", "QuotaExceededError");
      kept.set(key, value);
    },
    removeItem: (key: string) => kept.delete(key),
  };
}

let device: ReturnType<typeof makeDevice>;
let server: ReturnType<typeof makeServer>;
let states: SaveState[];
let conflicts: unknown[];

const start = () =>
  makeSaver<string>({
    userId: 1,
    assignmentId: 7,
    revision: 0,
    put: server.put,
    onState: (state) => states.push(state),
    onConflict: (there) => conflicts.push(there),
  });

beforeEach(() => {
  vi.useFakeTimers();
  device = makeDevice();
  vi.stubGlobal("localStorage", device);
  server = makeServer();
  states = [];
  conflicts = [];
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("every change is on the device at once and on the server within two seconds of a pause", async () => {
  const saver = start();
  saver.change("h");
  saver.change("he");
  expect(readFromDevice(1, 7)).toMatchObject({ content: "he", isSaved: false });
  expect(server.stored).toBeNull();
  await vi.advanceTimersByTimeAsync(2000);
  expect(server.stored).toEqual({ content: "he", revision: 1 });
  expect(server.numSaves).toBe(1);
  expect(states.at(-1)).toBe("saved");
  expect(readFromDevice(1, 7)).toMatchObject({ isSaved: true, baseRevision: 1 });
});

test("someone who never pauses is saved all the same", async () => {
  const saver = start();
  for (let letter = 0; letter < 20; letter += 1) {
    saver.change("x".repeat(letter + 1));
    await vi.advanceTimersByTimeAsync(500);
  }
  expect(server.numSaves).toBeGreaterThanOrEqual(1);
});

test("while the server is away it says so, keeps trying, and loses nothing", async () => {
  const saver = start();
  server.isDown = true;
  saver.change("written offline");
  await vi.advanceTimersByTimeAsync(1500);
  expect(states.at(-1)).toBe("device");
  saver.change("written offline, and more");
  server.isDown = false;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(server.stored?.content).toBe("written offline, and more");
  expect(states.at(-1)).toBe("saved");
});

test("when neither the server nor the device takes the words, it does not claim that one did", async () => {
  const saver = start();
  server.isDown = true;
  device.isFull = true;
  saver.change("nowhere to go");
  await vi.advanceTimersByTimeAsync(1500);
  expect(states.at(-1)).toBe("nowhere");
});

test("a draft changed elsewhere is not overwritten; the person's choice is written upon it", async () => {
  const saver = start();
  server.stored = { content: "theirs", revision: 4 };
  saver.change("mine");
  await vi.advanceTimersByTimeAsync(1500);
  expect(states.at(-1)).toBe("conflict");
  expect(conflicts).toMatchObject([{ content: "theirs", revision: 4 }]);
  expect(server.stored.content).toBe("theirs");
  saver.settle("mine", 4);
  await vi.advanceTimersByTimeAsync(1500);
  expect(server.stored).toEqual({ content: "mine", revision: 5 });
});

test("what is typed while a save is on its way is saved next", async () => {
  const saver = start();
  saver.change("one");
  const saving = saver.flush();
  saver.change("one two");
  await saving;
  await vi.advanceTimersByTimeAsync(2000);
  expect(server.stored).toEqual({ content: "one two", revision: 2 });
});

test("once the words are handed in nothing more is sent, and the device's copy stays until they are stored", async () => {
  const saver = start();
  saver.change("done");
  saver.close();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(readFromDevice(1, 7)?.content).toBe("done");
  expect(server.numSaves).toBe(0);
});

/** A server that answers each save when it is told to, in whatever order. */
function makeSlowServer() {
  const waiting: (() => void)[] = [];
  const put = (content: string, revision: number) =>
    new Promise<{ revision: number; saved_at: string }>((resolve, reject) =>
      waiting.push(() => void server.put(content, revision).then(resolve, reject)),
    );
  return { put, answer: (at: number) => waiting[at]?.() };
}

const startSlowly = (slow: ReturnType<typeof makeSlowServer>) =>
  makeSaver<string>({
    userId: 1,
    assignmentId: 7,
    revision: 0,
    put: slow.put,
    onState: (state) => states.push(state),
    onConflict: (there) => conflicts.push(there),
  });

test.each([
  ["the earlier first", [0, 1]],
  ["the newer first", [1, 0]],
])("two saves of one's own under way at once are no conflict: %s", async (_name, order) => {
  const slow = makeSlowServer();
  const saver = startSlowly(slow);
  saver.change("one");
  void saver.flush();
  saver.change("one two");
  void saver.flush(true); // the tab is hidden while the first is still on its way
  for (const at of order) {
    slow.answer(at);
    await vi.advanceTimersByTimeAsync(0);
  }
  await vi.advanceTimersByTimeAsync(2000);
  slow.answer(2); // where the newer one had come upon the older
  await vi.advanceTimersByTimeAsync(2000);
  expect(conflicts).toEqual([]);
  expect(server.stored?.content).toBe("one two");
  expect(states.at(-1)).toBe("saved");
  saver.change("one two three");
  await vi.advanceTimersByTimeAsync(1000);
  slow.answer(order[0] === 0 ? 3 : 2);
  await vi.advanceTimersByTimeAsync(0);
  expect([server.stored?.content, conflicts]).toEqual(["one two three", []]);
});

test("an answer that was lost is no conflict either", async () => {
  const saver = start();
  const put = server.put;
  server.put = async (content, revision) => {
    await put(content, revision);
    throw new Problem(0, {});
  };
  const lossy = makeSaver<string>({
    userId: 1,
    assignmentId: 8,
    revision: 0,
    put: (content, revision) => server.put(content, revision),
    onState: (state) => states.push(state),
    onConflict: (there) => conflicts.push(there),
  });
  saver.close();
  lossy.change("stored, and nobody knows");
  await vi.advanceTimersByTimeAsync(1000);
  server.put = put;
  lossy.change("stored, and more");
  await vi.advanceTimersByTimeAsync(10_000);
  expect([conflicts, server.stored?.content]).toEqual([[], "stored, and more"]);
});

test("what was under way when the tab was closed is known for one's own when it is opened again", async () => {
  const slow = makeSlowServer();
  const saver = startSlowly(slow);
  saver.change("one");
  void saver.flush();
  saver.change("one two");
  const kept = readFromDevice<string>(1, 7);
  expect(kept).toMatchObject({ content: "one two", sent: "one", baseRevision: 0, isSaved: false });
  expect(reconcile({ content: "one", revision: 1, saved_at: "" }, kept)).toEqual({
    kind: "device",
    content: "one two",
    revision: 1,
  });
  expect(reconcile({ content: "another", revision: 1, saved_at: "" }, kept).kind).toBe("conflict");
});
