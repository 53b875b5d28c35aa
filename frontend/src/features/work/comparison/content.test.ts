import { expect, test } from "vitest";
import type { Assignment } from "@/lib/api/types";
import { BOTH_BAD, NOTHING, scaleOf } from "@/lib/choice";
import { missing, read, submission } from "./content";

const unit = { completions: [{ id: 7 }, { id: 4 }] } as unknown as Assignment;

test("the scale goes from the first shown to the second, a tie in the middle", () => {
  const places = scaleOf(unit).map(
    ({ verdict, chosen, strength }) => (chosen && `${chosen}:${strength}`) || verdict,
  );
  expect(places).toEqual(["7:3", "7:2", "7:1", "tie", "4:1", "4:2", "4:3"]);
});

test("a draft is read back, and nothing in it is trusted", () => {
  for (const place of [...scaleOf(unit), BOTH_BAD, NOTHING]) expect(read(unit, { ...place })).toEqual(place);
  for (const odd of [null, 7, { verdict: "better", chosen: 9, strength: 1 }, { verdict: "tie", strength: 2 }])
    expect(read(unit, odd)).toEqual(NOTHING);
});

test("nothing is sent before a choice", () => {
  expect(missing(unit, NOTHING)?.key).toBe("comparison.missing");
  expect(missing(unit, BOTH_BAD)).toBeNull();
  expect(submission(unit, { verdict: "better", chosen: 4, strength: 2 })).toEqual({
    verdict: "better",
    chosen: 4,
    strength: 2,
  });
});
