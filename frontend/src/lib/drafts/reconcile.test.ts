import { expect, test } from "vitest";
import { type DeviceDraft, reconcile, type ServerDraft, sameContent } from "./reconcile";

const server = (content: string, revision: number): ServerDraft<string> => ({
  content,
  revision,
  saved_at: "2026-11-21T04:00:00Z",
});
const device = (content: string, baseRevision: number, isSaved = false): DeviceDraft<string> => ({
  content,
  baseRevision,
  changedAt: "2026-11-21T04:01:00Z",
  isSaved,
});

test("nothing anywhere is an empty draft", () => {
  expect(reconcile(null, null)).toEqual({ kind: "empty" });
});

test("what only the device has is shown and goes to the server upon revision 0", () => {
  expect(reconcile(null, device("mine", 0))).toEqual({ kind: "device", content: "mine", revision: 0 });
});

test("words typed upon the server's own revision are shown, not lost", () => {
  expect(reconcile(server("old", 3), device("newer", 3))).toEqual({
    kind: "device",
    content: "newer",
    revision: 3,
  });
});

test("a device whose words the server already has gives way to what was saved since", () => {
  expect(reconcile(server("theirs", 5), device("mine", 3, true))).toEqual({
    kind: "server",
    content: "theirs",
    revision: 5,
  });
});

test("unsaved words upon an older revision are put before the person, both versions whole", () => {
  const result = reconcile(server("theirs", 5), device("mine", 3));
  expect(result.kind).toBe("conflict");
  expect(result).toMatchObject({ device: { content: "mine" }, server: { content: "theirs" } });
});

test("the same words twice are no conflict", () => {
  expect(reconcile(server("same", 5), device("same", 3)).kind).toBe("server");
});

test("content is compared by value, and the order of keys does not count", () => {
  expect(sameContent({ a: 1, b: [{ c: 2, d: 3 }] }, { b: [{ d: 3, c: 2 }], a: 1 })).toBe(true);
  expect(sameContent([1, 2], [2, 1])).toBe(false);
});
