import { createElement } from "react";
import { expect, test } from "vitest";
import type { Import } from "@/lib/api/types";
import { wordsOf } from "@/lib/words-of";
import { FileReport, ImportReport } from "./import-report";

type ReportOfFile = Parameters<typeof FileReport>[0]["file"];

function rowOf(fields: Partial<Import>): string {
  const row = { id: 1, file_name: "birds.csv", created_at: "2026-12-01T12:00:00Z", error: "", ...fields };
  return wordsOf(createElement(ImportReport, { row: row as Import, campaignId: 1 }));
}

function reportOf(fields: Partial<ReportOfFile>): string {
  const file = { file: "birds.csv", format: "alpaca", reasons: [], made: {}, ...fields };
  return wordsOf(createElement(FileReport, { file: file as unknown as ReportOfFile }));
}

test("an import that nobody has begun waits for its turn; only one that is read counts records", () => {
  const words = rowOf({ state: "queued", num_records: 0 });
  expect(words).toContain("Waits for its turn.");
  expect(words).not.toMatch(/records? read/);
  expect(rowOf({ state: "running", num_records: 7 })).toContain("7 records read");
});

test("a report names the fields that were not read, and what is new", () => {
  const words = reportOf({ unread_fields: { topic: 6, mood: 1 }, made: { prompts: 2, demonstrations: 1 } });
  expect(words).toContain("Fields that were not read, with the number of records: topic (6), mood (1).");
  expect(words).toContain("New in this campaign: 2 prompts, 1 demonstration.");
});

test("where not every new prompt waits for people, the report says why", () => {
  expect(reportOf({ made: { prompts: 2, units: 1 } })).toContain("A prompt waits for people only if");
  expect(reportOf({ made: { prompts: 2, units: 2 } })).not.toContain("A prompt waits for people");
});

test("refusals of several kinds are counted by kind", () => {
  const reasons = [
    { reason: "It is not JSON.", count: 8 },
    { reason: "It has no answer.", count: 1 },
  ];
  expect(reportOf({ reasons })).toMatch(/8 It is not JSON\. 1 It has no answer\./);
});
