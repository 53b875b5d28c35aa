import { createElement } from "react";
import { expect, test } from "vitest";
import { keys } from "@/lib/keys";
import { wordsOf } from "@/lib/words-of";
import { SnapshotsPage } from "./snapshots-page";

test("the list of snapshots shows how many rows of each are held out", () => {
  const snapshot = {
    ...{ id: 1, name: "spring", state: "ready", campaigns: [], error: "", parent: null, manifest_sha256: "" },
    counts: { prompts: 40, rankings: 12 },
    splits: { prompts: { train: 36, validation: 4 }, rankings: { train: 11, validation: 1 } },
    created_at: "2026-12-01T12:00:00Z",
  };
  const words = wordsOf(createElement(SnapshotsPage), [
    [keys.snapshotPage(0), { count: 1, results: [snapshot] }],
    [keys.me, { id: 1, operations: [], roles: ["trainer"] }],
  ]);
  expect(words).toMatch(/40 4 held out/);
  expect(words).toMatch(/12 1 held out/);
});
