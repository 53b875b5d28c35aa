import { lexer, type MarkedToken, type Token } from "marked";
import { Fragment, memo, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

/**
 * Markdown (GFM) as React elements. No HTML is ever made from the text: the parser only gives tokens, raw HTML in it
 * is shown as the characters it is, links go to the web or to mail and nowhere else, images are named, not fetched.
 */
export const MarkdownTokens = memo(function MarkdownTokens({ text }: { text: string }) {
  return <>{blocks(lexer(text, { gfm: true }))}</>;
});

function blocks(tokens: readonly Token[] = []): ReactNode {
  return keyed(tokens, (token) => block(token as MarkedToken));
}

function inlines(tokens: readonly Token[] = []): ReactNode {
  return keyed(tokens, (token) => inline(token as MarkedToken));
}

function keyed(tokens: readonly Token[], render: (token: Token) => ReactNode): ReactNode {
  // biome-ignore lint/suspicious/noArrayIndexKey: a token is its place in a text that is rendered whole
  return tokens.map((token, index) => <Fragment key={index}>{render(token)}</Fragment>);
}

// Blocks take the direction of their own first strong letter: one text may hold English and Arabic.
function block(token: MarkedToken): ReactNode {
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading":
      return <Heading depth={token.depth}>{inlines(token.tokens)}</Heading>;
    case "paragraph":
      return <p dir="auto">{inlines(token.tokens)}</p>;
    case "code":
      return <Code text={token.text} />;
    case "blockquote":
      return <blockquote dir="auto">{blocks(token.tokens)}</blockquote>;
    case "hr":
      return <hr />;
    case "list": {
      const items = token.items.map((item, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: an item is its place
        <li key={index} dir="auto">
          {blocks(item.tokens)}
        </li>
      ));
      return token.ordered ? <ol start={token.start || 1}>{items}</ol> : <ul>{items}</ul>;
    }
    case "table":
      return <Table header={token.header} rows={token.rows} />;
    case "html":
      return <p dir="auto">{token.text}</p>;
    default:
      return inline(token);
  }
}

function inline(token: MarkedToken): ReactNode {
  switch (token.type) {
    case "strong":
      return <strong>{inlines(token.tokens)}</strong>;
    case "em":
      return <em>{inlines(token.tokens)}</em>;
    case "del":
      return <del>{inlines(token.tokens)}</del>;
    case "codespan":
      return <code>{token.text}</code>;
    case "br":
      return <br />;
    case "link":
      return <Link address={token.href}>{inlines(token.tokens)}</Link>;
    case "image":
      return <NotLoaded alt={token.text} address={token.href} />;
    case "checkbox":
      return token.checked ? "☑ " : "☐ ";
    case "text":
      return "tokens" in token && token.tokens ? inlines(token.tokens) : characters(token.text);
    case "escape":
      return token.text;
    default:
      return "raw" in token ? token.raw : null;
  }
}

const ENTITY = /&(?:#\d+|#x[\da-f]+|[a-z][\da-z]*);/gi;

/** "&amp;" and its like as the characters they stand for. Only an entity reaches the parser, so nothing else can. */
function characters(text: string): string {
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

function Code({ text }: { text: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: long code is scrolled by keyboard
    <pre dir="ltr" tabIndex={0}>
      <code>{text}</code>
    </pre>
  );
}

interface Cell {
  tokens: Token[];
  align: "center" | "left" | "right" | null;
}

function Table({ header, rows }: { header: Cell[]; rows: Cell[][] }) {
  const align = (cell: Cell) => (cell.align ? { textAlign: cell.align } : undefined);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table is scrolled by keyboard
    <div data-scroll tabIndex={0}>
      <table>
        <thead>
          <tr>
            {header.map((cell, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its place
              <th key={index} style={align(cell)} dir="auto">
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
                <td key={index} style={align(cell)} dir="auto">
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

function Link({ address, children }: { address: string; children: ReactNode }) {
  if (!/^(?:https?:|mailto:)/i.test(address)) return <>{children}</>;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer nofollow" title={address}>
      {children}
    </a>
  );
}

function NotLoaded({ alt, address }: { alt: string; address: string }) {
  const { t } = useTranslation();
  return <span data-image>{t("text.image", { alt: alt || "—", address })}</span>;
}
