import { Component, type ReactNode, useDeferredValue, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { withPictures } from "./characters";
import classes from "./markdown.module.css";
import { parse } from "./parse";
import { beginningOf, LONGEST_AT_ONCE, LONGEST_RENDERED, piecesOf } from "./pieces";
import { MarkdownTokens } from "./tokens";

// Ours, and not react-markdown with its plugins: those weigh 44 KB, this with its parser 17 KB, and what comes before
// the first unit has to stay under 200 KB (docs/dependencies.md).

interface MarkdownProps {
  text: string;
  /** Shown as it was written, markup and all. */
  isRaw?: boolean;
  /** BCP 47 tag of the text, for hyphenation and for voices. */
  language?: string;
  /** Interface-sized text, as in a preview or a side panel. */
  isSmall?: boolean;
}

/** Untrusted text as its reader should see it; of a very long one the beginning, until all is asked for. */
export function Markdown({ text, isRaw, language, isSmall }: MarkdownProps) {
  const { t } = useTranslation();
  const shown = useDeferredValue(text);
  const [isWhole, setWhole] = useState(false);
  const isCut = shown.length > LONGEST_AT_ONCE && !isWhole;
  const part = isCut ? beginningOf(shown) : shown;
  const isTooLong = part.length > LONGEST_RENDERED;
  const tokens = useMemo(() => (isRaw || isTooLong ? null : parse(part)), [part, isRaw, isTooLong]);
  return (
    <div className={classes.text} dir="auto" lang={language || undefined} data-small={isSmall || undefined}>
      {!isRaw && !tokens && <p className={classes.note}>{t(isTooLong ? "text.tooLong" : "text.tooOdd")}</p>}
      {tokens ? (
        <OrElse key={part} fallback={<Plain text={part} />}>
          <MarkdownTokens tokens={tokens} />
        </OrElse>
      ) : (
        <Plain text={part} />
      )}
      {isCut && (
        <button type="button" className={classes.more} onClick={() => setWhole(true)}>
          {t("text.showAll", { count: shown.length })}
        </button>
      )}
    </div>
  );
}

/** Text as it was written, in pieces of which the browser lays out those in sight. */
function Plain({ text }: { text: string }) {
  const pieces = useMemo(() => piecesOf(text), [text]);
  return (
    <div className={classes.raw} translate="no">
      {pieces.map((piece, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a piece is its place
        <div key={index} dir="auto" data-piece={pieces.length > 1 || undefined}>
          {withPictures(piece)}
        </div>
      ))}
    </div>
  );
}

/** A text that cannot be laid out after all does not take the page with it. */
class OrElse extends Component<{ fallback: ReactNode; children: ReactNode }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError() {
    return { hasFailed: true };
  }

  override render() {
    return this.state.hasFailed ? this.props.fallback : this.props.children;
  }
}
