import type { TokenizerAndRendererExtension } from "marked";

export interface Formula {
  /** What is between the signs. */
  tex: string;
  isBlock: boolean;
  /** The formula with its signs, as it stands in the text. */
  raw: string;
}

// No formula is longer, so that a sign without its partner costs little, however many there are.
const LONGEST = 4_000;
const SIGNS: [RegExp, boolean][] = [
  [new RegExp(`^\\$\\$(?!\\$)((?:\\\\[^]|[^$\\\\]|\\$(?!\\$)){1,${LONGEST}}?)\\$\\$`), true],
  [new RegExp(`^\\\\\\[([^]{1,${LONGEST}}?)\\\\\\]`), true],
  [new RegExp(`^\\\\\\(([^]{1,${LONGEST}}?)\\\\\\)`), false],
  [
    new RegExp(
      `^(\\\\begin\\{(${"equation|align|alignat|gather|CD|[bpvBV]?matrix|cases|array"})\\*?\\}[^]{1,${LONGEST}}?\\\\end\\{\\2\\*?\\})`,
    ),
    true,
  ],
];
const DOLLARS = /^\$((?:\\[^\n]|[^$\\\n]){1,500}?)\$(?!\d)/;

/** The formula that a text begins with; null where there is none. */
export function formulaAt(text: string): Formula | null {
  for (const [sign, isBlock] of SIGNS) {
    const [raw, tex = ""] = sign.exec(text) ?? [];
    const isMoney = text.startsWith("$") && isProse(tex.trim());
    if (raw && tex.trim() && !/\n[ \t]*\n/.test(tex) && !isMoney) return { tex, isBlock, raw };
  }
  const [raw, tex = ""] = DOLLARS.exec(text) ?? [];
  return raw && /^\S(?:.*\S)?$/.test(tex) && !isProse(tex) ? { tex, isBlock: false, raw } : null;
}

/** "$5 for the first, 10$ for …", "$20+3=$23": words or half a sum between two amounts of money are no formula. */
function isProse(tex: string): boolean {
  if (!tex.includes("\\") && /[-+*/=<>–]$/.test(tex)) return true;
  if (/[\\^_=]/.test(tex) && !/^[.\d]/.test(tex)) return false;
  const bare = tex.replace(/\\[a-z]+\s*(?:\{[^{}]*\})?/gi, " x ");
  return /(?:^|\s)\p{L}{2,}(?=[\s.,;:!?]|$)/u.test(bare);
}

/** Where a formula may begin; a dollar sign after a letter or digit is an amount ("US$5"). */
const BEGINS = /(?<![\p{L}\d\\$])\$|\\[[(]|\\begin\{/u;
const BLOCK_BEGINS = /(?:^|\n) {0,3}(?:\$\$|\\\[|\\begin\{)/;

/** Whether a text can hold a formula at all. */
export function mayHoldFormulas(text: string): boolean {
  return /[$]|\\[[(]|\\begin\{/.test(text);
}

export interface FormulaToken extends Formula {
  type: "formula";
}

export const formulas: TokenizerAndRendererExtension[] = [
  {
    name: "formula",
    level: "block",
    start: (text) => {
      const found = BLOCK_BEGINS.exec(text);
      return found ? found.index + (found[0].startsWith("\n") ? 1 : 0) : undefined;
    },
    tokenizer(text) {
      const [indent = ""] = /^ {0,3}/.exec(text) ?? [];
      const formula = formulaAt(text.slice(indent.length));
      const [rest] = formula?.isBlock
        ? (/^[ \t]*[.,;]?[ \t]*(?:\n+|$)/.exec(text.slice(indent.length + formula.raw.length)) ?? [])
        : [];
      if (!formula || rest === undefined) return undefined;
      const after = rest.trim();
      return {
        type: "formula",
        ...formula,
        tex: after ? `${formula.tex}\\text{${after}}` : formula.tex,
        raw: indent + formula.raw + rest,
      } satisfies FormulaToken;
    },
  },
  {
    name: "formula",
    level: "inline",
    start: (text) => BEGINS.exec(text)?.index,
    tokenizer(text) {
      const formula = formulaAt(text);
      return formula ? ({ type: "formula", ...formula } satisfies FormulaToken) : undefined;
    },
  },
];
