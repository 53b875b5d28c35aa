import { expect, test } from "vitest";
import { lastDays } from "./day-bars";

test("days without work are shown as empty days, also across the end of a month", () => {
  const days = lastDays([{ date: "2026-02-28", num_submitted: 5 }], "2026-03-02");
  expect(days.slice(-4)).toEqual([
    { date: "2026-02-27", num_submitted: 0 },
    { date: "2026-02-28", num_submitted: 5 },
    { date: "2026-03-01", num_submitted: 0 },
    { date: "2026-03-02", num_submitted: 0 },
  ]);
});

test("a campaign that has just begun has a week on the chart, an old one thirty days", () => {
  expect(lastDays([{ date: "2026-03-02", num_submitted: 5 }], "2026-03-02")).toHaveLength(7);
  expect(lastDays([{ date: "2026-02-20", num_submitted: 5 }], "2026-03-02")).toHaveLength(11);
  expect(lastDays([{ date: "2025-03-02", num_submitted: 5 }], "2026-03-02")).toHaveLength(30);
});
