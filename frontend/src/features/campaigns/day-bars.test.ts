import { expect, test } from "vitest";
import { lastDays } from "./day-bars";

test("days without work are shown as empty days, also across the end of a month", () => {
  const days = lastDays([{ date: "2026-02-28", num_submitted: 5 }], "2026-03-02", 4);
  expect(days).toEqual([
    { date: "2026-02-27", num_submitted: 0 },
    { date: "2026-02-28", num_submitted: 5 },
    { date: "2026-03-01", num_submitted: 0 },
    { date: "2026-03-02", num_submitted: 0 },
  ]);
});
