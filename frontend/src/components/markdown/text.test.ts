import { describe, expect, test } from "vitest";
import { directionOf, pictureOf } from "./characters";
import { formulaAt } from "./math";
import { parse } from "./parse";
import { beginningOf, LONGEST_AT_ONCE, piecesOf } from "./pieces";

interface Node {
  type: string;
  raw: string;
  tex?: string;
  isBlock?: boolean;
  tokens?: Node[];
  items?: Node[];
}

function formulasIn(text: string): string[] {
  const found: string[] = [];
  const look = (nodes: Node[] = []) => {
    for (const node of nodes) {
      if (node.type === "formula") found.push(`${node.isBlock ? "block" : "inline"} ${node.tex?.trim()}`);
      look(node.tokens);
      look(node.items);
    }
  };
  look(parse(text) as Node[]);
  return found;
}

describe("formulas", () => {
  test("in every way that people and models write them", () => {
    expect(formulasIn("Let $x_1 < 2$ and \\(y^2\\).")).toEqual(["inline x_1 < 2", "inline y^2"]);
    expect(formulasIn("So\n$$\na = b\n$$\nand \\[ c \\].")).toEqual(["block a = b", "block c"]);
    expect(formulasIn("- first:\n  \\[\n  a\n  \\]")).toEqual(["block a"]);
    expect(formulasIn("\\begin{align*}\na &= b\n\\end{align*}")).toEqual([
      "block \\begin{align*}\na &= b\n\\end{align*}",
    ]);
    expect(formulasIn("**so $\\frac{a_1}{b_1}$ it is**")).toEqual(["inline \\frac{a_1}{b_1}"]);
  });

  test("an amount of money is none", () => {
    for (const text of [
      "It costs $5 and $10.",
      "US$5 or A$6, that is $5-$10.",
      "From $1,000 to 2,000$ a month.",
      "She pays $20+$3=$23, then $40/2=$20 a week.",
      "$10 million (about £8m), others paid 9$.",
      "A price range of $$ to $$$.",
      "I have 5$ and you have 6$.",
      "$HOME and $PATH are set",
    ]) {
      expect(formulasIn(text), text).toEqual([]);
    }
  });

  test("nor is what stands in code, or has no end", () => {
    expect(formulasIn("`$x$` and\n\n```\n$$y$$\n```")).toEqual([]);
    expect(formulasIn("$$ a\n\nb $$ and \\( c")).toEqual([]);
    expect(formulaAt("$ x$")).toBeNull();
  });
});

describe("what cannot be laid out is shown as it was written", () => {
  test("a text nested beyond reason", () => {
    expect(parse("> ".repeat(200))).toBeNull();
    expect(parse("- ".repeat(200))).toBeNull();
    expect(parse(`${">".repeat(5)} five levels are fine`)).not.toBeNull();
    const stairs = Array.from({ length: 60 }, (_, i) => `${" ".repeat(i * 2)}- a`).join("\n");
    expect(parse(stairs)).toBeNull();
  });

  test("broken and hostile Markdown costs no more than a moment", () => {
    const signs = [
      "[",
      "![",
      "*a ",
      "**a",
      "_a_",
      "$",
      "$$a\n",
      "\\(",
      "\\[",
      "`",
      "<a ",
      "|",
      "[a](b",
      "~~a",
      "*_",
    ];
    const begun = performance.now();
    for (const sign of signs) parse(sign.repeat(LONGEST_AT_ONCE / sign.length));
    expect(performance.now() - begun).toBeLessThan(10_000);
  });
});

test("the beginning of a long text ends with a line or a word, never inside a character", () => {
  expect(beginningOf(`${"x".repeat(5_000)}\n${"y".repeat(90_000)}`)).toBe("x".repeat(5_000));
  expect(beginningOf("word ".repeat(9_000))).toMatch(/word$/);
  const faces = beginningOf("🙂".repeat(9_000));
  expect(faces).toBe("🙂".repeat(faces.length / 2));
  expect(beginningOf(`x${"🙂".repeat(9_000)}`)).toMatch(/^x(?:🙂)+$/u);
});

test("pieces of a long text are whole lines, and together they are the text", () => {
  const text = `${"a line\n".repeat(5_000)}${"z".repeat(9_000)}\nlast`;
  const pieces = piecesOf(text);
  expect(pieces.join("\n")).toBe(text);
  expect(pieces.length).toBeGreaterThan(5);
  expect(piecesOf("short")).toEqual(["short"]);
});

test("what nobody would see has a picture", () => {
  expect(["\0", "\x1b", "\x7f", "\x85", "\u202e"].map(pictureOf)).toEqual([
    "␀",
    "␛",
    "␡",
    "U+0085",
    "U+202E",
  ]);
});

test("a text goes the way of its first letter", () => {
  expect(directionOf("1. مرحبا, world")).toBe("rtl");
  expect(directionOf("**שלום**")).toBe("rtl");
  expect(directionOf("Ẹ ku àárọ̀ — مرحبا")).toBe("ltr");
  expect(directionOf("123 …")).toBe("ltr");
});
