import { render } from "katex";
import "katex/dist/katex.min.css";

/**
 * Sets a formula into an element; false, and the element as it was, where its LaTeX is broken. Nothing is trusted:
 * no links, images or HTML from a formula, and bounds on its size and on what its macros may grow to.
 */
export function setFormula(element: HTMLElement, tex: string, isBlock: boolean): boolean {
  const made = document.createElement("span");
  try {
    render(tex, made, {
      displayMode: isBlock,
      throwOnError: true,
      trust: false,
      strict: "ignore",
      maxSize: 20,
      maxExpand: 300,
    });
  } catch {
    return false;
  }
  element.replaceChildren(...made.childNodes);
  return true;
}
