import { createElement } from "react";
import { expect, test } from "vitest";
import type { CampaignDetail, Progress } from "@/lib/api/types";
import { keys } from "@/lib/keys";
import { type Kinds, KindsContext } from "@/lib/kinds";
import { wordsOf } from "@/lib/words-of";
import { ProgressTab } from "./progress-tab";

const kinds = { demonstration: { does: "writes", counts: ["num_prompts"] } } as unknown as Kinds;
const COUNTS = ["units", "done", "open", "leased", "prompts", "demonstrations", "rankings", "comparisons"];

function progressOf(counts: Partial<Progress>): string {
  const campaign = { id: 1, kind: "demonstration", policies: [] } as unknown as CampaignDetail;
  const none = Object.fromEntries(COUNTS.map((name) => [`num_${name}`, 0]));
  const answer = { ...none, num_imported: 0, by_day: [], ...counts };
  const tab = createElement(ProgressTab, { campaign, mayOpen: false });
  return wordsOf(createElement(KindsContext, { value: kinds }, tab), [[keys.progress(1), answer]]);
}

test("what was imported has a figure of its own, and a sentence says why not every prompt is a unit", () => {
  const words = progressOf({ num_prompts: 7473, num_demonstrations: 7473, num_imported: 7473 });
  expect(words).toMatch(/Imported 7,473|7,473 Imported/);
  expect(words).toContain("A prompt waits for people only if");
  expect(words).toContain("Nothing has been submitted yet");
});

test("where every prompt is a unit and nothing was imported, neither is said", () => {
  const words = progressOf({ num_prompts: 5, num_units: 5 });
  expect(words).not.toContain("Imported");
  expect(words).not.toContain("A prompt waits for people");
});
