import type { MarkedToken, Token } from "marked";
import { Fragment, memo, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { directionOf, withPictures } from "./characters";
import { Code } from "./code";
import { Formula } from "./formula";
import type { FormulaToken } from "./math";

/**
 * Markdown (GFM, with formulas) as React elements. No HTML is ever made from the text: the parser only gives tokens,
 * raw HTML in it is shown as the characters it is, links go to the web or to mail and nowhere else, images are named,
 * not fetched.
 */
export const MarkdownTokens = memo(function MarkdownTokens({ tokens }: { tokens: readonly Token[] }) {
  return <>{blocks(tokens)}</>;
});

type Known = MarkedToken | FormulaToken;

function blocks(tokens: readonly Token[] = []): ReactNode {
  return keyed(tokens, (token) => block(token as Known));
}

function inlines(tokens: readonly Token[] = []): ReactNode {
  return keyed(tokens, (token) => inline(token as Known));
}

function keyed(tokens: readonly Token[], render: (token: Token) => ReactNode): ReactNode {
  // biome-ignore lint/suspicious/noArrayIndexKey: a token is its place in a text that is rendered whole
  return tokens.map((token, index) => <Fragment key={index}>{render(token)}</Fragment>);
}

// Blocks take the direction of their own first letter: one text may hold English and Arabic. Where a block has a side
// of its own (a list's numbers, a quotation's line, a table's first column) it is told which; inside it each line
// still goes its own way (`unicode-bidi: plaintext`).
function block(token: Known): ReactNode {
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading":
      return <Heading depth={token.depth}>{inlines(token.tokens)}</Heading>;
    case "paragraph":
      return <p dir="auto">{inlines(token.tokens)}</p>;
    case "formula":
      return <Formula tex={token.tex} source={token.raw} isBlock />;
    case "code":
      return <Code text={token.text} info={token.lang ?? ""} />;
    case "blockquote":
      return <blockquote dir={directionOf(token.text)}>{blocks(token.tokens)}</blockquote>;
    case "hr":
      return <hr />;
    case "list": {
      const dir = directionOf(token.items[0]?.text ?? "");
      const items = token.items.map((item, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: an item is its place
        <li key={index} data-task={item.task || undefined}>
          {blocks(item.tokens)}
        </li>
      ));
      return token.ordered ? (
        <ol start={token.start === "" ? 1 : token.start} dir={dir}>
          {items}
        </ol>
      ) : (
        <ul dir={dir}>{items}</ul>
      );
    }
    case "table":
      return <Table header={token.header} rows={token.rows} dir={directionOf(token.raw)} />;
    case "html":
      return <p dir="auto">{withPictures(token.text)}</p>;
    default:
      return inline(token);
  }
}

function inline(token: Known): ReactNode {
  switch (token.type) {
    case "strong":
      return <strong>{inlines(token.tokens)}</strong>;
    case "em":
      return <em>{inlines(token.tokens)}</em>;
    case "del":
      return <del>{inlines(token.tokens)}</del>;
    case "codespan":
      return <code translate="no">{withPictures(token.text)}</code>;
    case "formula":
      return <Formula tex={token.tex} source={token.raw} isBlock={token.isBlock} />;
    case "br":
      return <br />;
    case "link":
      return <Link address={token.href} text={token.text} tokens={token.tokens} />;
    case "image":
      return <NotLoaded alt={token.text} address={token.href} />;
    case "checkbox":
      return token.checked ? "☑ " : "☐ ";
    case "text":
      return "tokens" in token && token.tokens ? inlines(token.tokens) : withPictures(decoded(token.text));
    case "escape":
      return withPictures(token.text);
    default:
      return "raw" in token ? withPictures(token.raw) : null;
  }
}

const ENTITY = /&(?:#\d+|#x[\da-f]+|[a-z][\da-z]*);/gi;

/** "&amp;" and its like as the characters they stand for. Only an entity reaches the parser, so nothing else can. */
function decoded(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(ENTITY, (entity) => {
    return new DOMParser().parseFromString(entity, "text/html").documentElement.textContent ?? entity;
  });
}

function Heading({ depth, children }: { depth: number; children: ReactNode }) {
  // The page has its own headings above these; a text's first level becomes the third.
  const Tag = (["h3", "h4", "h5", "h6"] as const)[Math.min(depth, 4) - 1] ?? "h6";
  return (
    <Tag dir="auto" data-depth={depth}>
      {children}
    </Tag>
  );
}

interface Cell {
  tokens: Token[];
  align: "center" | "left" | "right" | null;
}

function Table({ header, rows, dir }: { header: Cell[]; rows: Cell[][]; dir: string }) {
  const align = (cell: Cell) => (cell.align ? { textAlign: cell.align } : undefined);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table is scrolled by keyboard
    <div data-scroll tabIndex={0} dir={dir}>
      <table>
        <thead>
          <tr>
            {header.map((cell, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its place
              <th key={index} style={align(cell)}>
                {inlines(cell.tokens)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a row is its place
            <tr key={at}>
              {row.map((cell, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its place
                <td key={index} style={align(cell)}>
                  {inlines(cell.tokens)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A link says where it leads, whatever its words say, and opens apart. What leads nowhere we go is no link. */
function Link({ address, text, tokens }: { address: string; text: string; tokens: Token[] }) {
  const isSafe = /^(?:https?:|mailto:)/i.test(address);
  const saysItself = ["", "http://", "mailto:"].some((before) => address === before + text);
  return (
    <>
      {isSafe ? (
        <a href={address} target="_blank" rel="noopener noreferrer nofollow">
          {inlines(tokens)}
        </a>
      ) : (
        inlines(tokens)
      )}
      {!saysItself && (
        <span data-address dir="ltr">
          {" "}
          ({withPictures(address)})
        </span>
      )}
    </>
  );
}

function NotLoaded({ alt, address }: { alt: string; address: string }) {
  const { t } = useTranslation();
  return <span data-image>{withPictures(t("text.image", { alt: alt || "—", address }))}</span>;
}
