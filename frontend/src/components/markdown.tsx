import { useDeferredValue } from "react";
import classes from "./markdown.module.css";
import { MarkdownTokens } from "./markdown-tokens";

// Beyond this length parsing would stall the page; such a text is shown as it was written.
const LONGEST_RENDERED = 60_000;

interface MarkdownProps {
  text: string;
  /** Shown as it was written, markup and all. */
  isRaw?: boolean;
  /** BCP 47 tag of the text, for hyphenation and for voices. */
  language?: string;
  /** Interface-sized text, as in a preview or a side panel. */
  isSmall?: boolean;
}

/** Untrusted text as its reader should see it. */
export function Markdown({ text, isRaw, language, isSmall }: MarkdownProps) {
  const shown = useDeferredValue(text);
  return (
    <div className={classes.text} dir="auto" lang={language || undefined} data-small={isSmall || undefined}>
      {isRaw || shown.length > LONGEST_RENDERED ? (
        <div className={classes.raw}>{shown}</div>
      ) : (
        <MarkdownTokens text={shown} />
      )}
    </div>
  );
}
