import { type ReactNode, useEffect, useRef, useState } from "react";
import { withPictures } from "./characters";
import { whenSeen } from "./seen";

/** Longer code stays in one colour: colouring it would hold up the page. */
const LONGEST_COLOURED = 20_000;

interface CodeProps {
  text: string;
  /** What stands after the fence, as "python" or "js {2}". */
  info: string;
}

/** A block of code; its language's words are set apart when it comes into sight, where the language is known. */
export function Code({ text, info }: CodeProps) {
  const place = useRef<HTMLPreElement>(null);
  const [coloured, setColoured] = useState<{ of: string; lines: ReactNode } | null>(null);
  const language = /^[\w+#-]+/.exec(info.trim())?.[0].toLowerCase() ?? "";

  useEffect(() => {
    const element = place.current;
    if (!element || !language || text.length > LONGEST_COLOURED) return;
    let isGone = false;
    const forget = whenSeen(element, async () => {
      const { colour } = await import("./highlight");
      const lines = await colour(text, language);
      if (lines && !isGone) setColoured({ of: text, lines });
    });
    return () => {
      isGone = true;
      forget();
    };
  }, [text, language]);

  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: long code is scrolled by keyboard
    <pre dir="ltr" tabIndex={0} ref={place}>
      <code translate="no">{coloured?.of === text ? coloured.lines : withPictures(text)}</code>
    </pre>
  );
}
