import { expect, test } from "vitest";
import { numWordsOf, sentencesOf } from "./sentences";

test("words are counted as the language writes them", () => {
  expect(numWordsOf("", "en")).toBe(0);
  expect(numWordsOf("It is called Port 7 — really!", "en")).toBe(6);
  expect(numWordsOf("我喜欢大海", "zh")).toBeGreaterThan(1);
  expect(numWordsOf("Na nga def?", "not a tag!")).toBe(3);
});

test("a text falls into its sentences and lines", () => {
  expect(sentencesOf("One. Two!\n\n- three\n- four", "en")).toEqual(["One.", "Two!", "- three", "- four"]);
});
