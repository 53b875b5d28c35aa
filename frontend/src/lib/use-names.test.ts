import { expect, test } from "vitest";
import { nameInWords } from "./use-names";

test("a campaign's own names are read as words that begin with a capital", () => {
  expect(["wrong_language", "élégant", "Clear"].map((name) => nameInWords(name, "fr"))).toEqual([
    "Wrong language",
    "Élégant",
    "Clear",
  ]);
  expect(nameInWords("iyi", "tr")).toBe("İyi");
});
