import { expect, test } from "vitest";
import { partsOf } from "./changes";

test("a text is compared by what is read as one: a paragraph, a table, an entry of a list", () => {
  const table = "| a | b |\n| --- | --- |\n| 1 | 2 |";
  const text = `# What we ask\n\nBe **kind**.\nAlways.\n\n- one\n- two\n\n${table}\n`;
  expect(partsOf(text)).toEqual(["# What we ask", "Be **kind**.\nAlways.", "- one", "- two", table]);
});
