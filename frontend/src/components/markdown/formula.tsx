import { useEffect, useLayoutEffect, useRef } from "react";
import { whenSeen } from "./seen";

interface FormulaProps {
  tex: string;
  /** The formula with its signs: what stands there until it is set, and for good where it is broken. */
  source: string;
  isBlock: boolean;
}

/** A formula, set by KaTeX when it comes into sight. KaTeX is loaded by the first one. */
export function Formula({ tex, source, isBlock }: FormulaProps) {
  const place = useRef<HTMLSpanElement>(null);

  useLayoutEffect(() => {
    const element = place.current;
    if (!element) return;
    element.textContent = source.trim();
    element.removeAttribute("data-set");
  }, [source]);

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    return whenSeen(element, async () => {
      const { setFormula } = await import("./katex");
      if (element.isConnected) element.dataset.set = setFormula(element, tex, isBlock) ? "true" : "broken";
    });
  }, [tex, isBlock]);

  return isBlock ? (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide formula is scrolled by keyboard
    <span data-formula="block" data-scroll dir="ltr" tabIndex={0} ref={place} />
  ) : (
    <span data-formula="inline" dir="ltr" ref={place} />
  );
}
