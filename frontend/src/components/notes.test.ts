import { createElement } from "react";
import { expect, test } from "vitest";
import { Problem } from "@/lib/api/problem";
import { wordsOf } from "@/lib/words-of";
import { ProblemNote } from "./notes";

const note = (status: number) =>
  wordsOf(
    createElement(ProblemNote, { error: new Problem(status, { detail: "So it is." }), retry: () => {} }),
  );

test("what is not there, or not for me, offers no second try; what may pass does", () => {
  expect([403, 404].map(note)).toEqual([" So it is. ", " So it is. "]);
  expect(note(503)).toBe(" So it is. Try again ");
});
