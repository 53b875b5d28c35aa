/** Whether the person is writing, so that single keys must stay letters. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (
    target.isContentEditable ||
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement
  ) {
    return true;
  }
  const plain = ["checkbox", "radio", "button", "range", "submit", "file"];
  if (target instanceof HTMLInputElement) return !plain.includes(target.type);
  return target.closest('[role="combobox"], [role="textbox"], [role="menu"], [role="listbox"]') !== null;
}

type KeyEvent = Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">;

/**
 * Whether an event is the combination named, as "mod+Enter", "?", "shift+Digit3", "j".
 * Digits and letters with alt are given by their place (Digit3, alt+KeyS): French keyboards need shift to type a
 * digit, and alt makes a letter another character on a Mac.
 */
export function matches(event: KeyEvent, combination: string): boolean {
  const parts = combination.split("+");
  const key = parts.pop() || "+";
  const isMod = event.ctrlKey || event.metaKey;
  if (isMod !== parts.includes("mod") || event.altKey !== parts.includes("alt")) return false;
  const digit = /^Digit(\d)$/.exec(key)?.[1];
  if (digit) {
    const isPad = event.code === `Numpad${digit}`;
    return (event.code === key || isPad) && event.shiftKey === parts.includes("shift");
  }
  if (key.startsWith("Key")) return event.code === key && event.shiftKey === parts.includes("shift");
  if (parts.includes("shift") && !event.shiftKey) return false;
  if (key.length > 1 && event.shiftKey !== parts.includes("shift")) return false;
  return event.key.toLowerCase() === key.toLowerCase();
}

/** A combination in words for people: "Ctrl Enter", or with the signs of a Mac keyboard. */
export function shown(combination: string, isMac: boolean): string[] {
  const signs: Record<string, string> = isMac
    ? { mod: "⌘", alt: "⌥", shift: "⇧", Enter: "↵" }
    : { mod: "Ctrl", alt: "Alt", shift: "⇧", Enter: "↵" };
  const arrows: Record<string, string> = { ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", Backspace: "⌫" };
  return combination
    .split("+")
    .map(
      (part) =>
        signs[part] ??
        arrows[part] ??
        part.replace(/^(?:Digit|Key)/, "").replace(/^[a-z]$/, (c) => c.toUpperCase()),
    );
}

export const isMac = typeof navigator !== "undefined" && /Mac|iPhone|iPad/.test(navigator.userAgent);
