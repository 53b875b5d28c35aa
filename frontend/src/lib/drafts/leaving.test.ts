import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  draftsOnDevice,
  keepOnDevice,
  keepRemarkOnDevice,
  keepSecondsOnDevice,
  readFromDevice,
  secondsOnDevice,
} from "./device-store";
import { dropWhatIsSaved, numUnsaved } from "./leaving";

beforeEach(() => {
  const kept = new Map<string, string>();
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
afterEach(() => void vi.unstubAllGlobals());

const draft = (content: string, isSaved: boolean) => ({ content, baseRevision: 1, changedAt: "", isSaved });

test("whoever signs out leaves on the device what the server has not, and nothing else", () => {
  keepOnDevice(1, 7, draft("saved", true));
  keepOnDevice(1, 8, draft("on this device only", false));
  keepOnDevice(2, 9, draft("somebody else's", true));
  keepSecondsOnDevice(1, 7, 60);
  expect(numUnsaved(1)).toBe(1);
  localStorage.setItem("parley.outbox.1.8", "{}"); // handed in, and not sent yet: one with its draft
  expect(numUnsaved(1)).toBe(1);
  keepRemarkOnDevice(1, 7, "Not sent yet");
  expect(numUnsaved(1)).toBe(2);
  dropWhatIsSaved(1);
  expect([draftsOnDevice(1), draftsOnDevice(2)]).toEqual([[8], [9]]);
  expect([readFromDevice(1, 8)?.content, secondsOnDevice(1, 7)]).toEqual(["on this device only", 0]);
  expect(numUnsaved(1)).toBe(2);
});

test("time worked since the last letter is kept, and no nonsense is read", () => {
  expect(secondsOnDevice(1, 7)).toBe(0);
  keepSecondsOnDevice(1, 7, 72);
  expect(secondsOnDevice(1, 7)).toBe(72);
  for (const odd of ["-595", "NaN", "words", "Infinity"]) {
    localStorage.setItem("parley.seconds.1.7", odd);
    expect(secondsOnDevice(1, 7)).toBe(0);
  }
});
