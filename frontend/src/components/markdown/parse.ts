import { Marked, type Token } from "marked";
import { formulas, mayHoldFormulas } from "./math";

const plain = new Marked({ gfm: true });
const withFormulas = new Marked({ gfm: true });
withFormulas.use({ extensions: formulas });

/** Deeper than this nobody meant it, and a page nested so deep stops answering. */
const DEEPEST = 24;
const TOO_DEEP = new RegExp(`^ {0,3}(?:> ?|(?:[-+*]|\\d{1,9}[.)]) +){${DEEPEST}}`, "m");

/** The parser looks for the partner of each of these signs: more of them than any text has would take it seconds. */
const SIGNS = /[_*~$]/g;
const MOST_SIGNS = 6_000;

/** A text's Markdown as tokens; null where it cannot be laid out and is shown as it was written. */
export function parse(text: string): Token[] | null {
  if ((text.match(SIGNS)?.length ?? 0) > MOST_SIGNS) return null;
  // Levels of quotation and lists are taken off one after another, each at the price of all that follows.
  if (TOO_DEEP.test(text)) return null;
  try {
    const tokens = (mayHoldFormulas(text) ? withFormulas : plain).lexer(text);
    return depthOf(tokens) > DEEPEST ? null : tokens;
  } catch {
    return null;
  }
}

interface Nested {
  type: string;
  tokens?: ArrayLike<Nested>;
  items?: ArrayLike<Nested>;
}

function depthOf(tokens: ArrayLike<Nested> | undefined): number {
  let deepest = 0;
  for (const token of Array.from<Nested>(tokens ?? [])) {
    deepest = Math.max(deepest, depthOf(token.tokens), depthOf(token.items));
    if (deepest > DEEPEST) return deepest;
  }
  return tokens?.length ? deepest + 1 : 0;
}
