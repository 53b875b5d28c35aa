import { useEffect, useLayoutEffect, useRef, useSyncExternalStore } from "react";
import { isTyping, matches } from "./keys";
import { ownKey } from "./own-keys";

export interface KeyBinding {
  /** One combination, or several that do the same. */
  keys: string | string[];
  /** What it does, in the reader's language, for the help sheet. Without it the binding is not listed. */
  label?: string;
  /** How the keys are written in the help sheet when listing each would be tedious, as "1 … 9". */
  shownAs?: string;
  /** Also while a text is being edited; only for combinations that type nothing. */
  whileTyping?: boolean;
  /** Gives false where there is nothing to do now: then another's binding of these keys may. */
  run: (event: KeyboardEvent) => unknown;
}

export interface KeyGroup {
  title: string;
  bindings: KeyBinding[];
}

let groups: KeyGroup[] = [];
const listeners = new Set<() => void>();

function setGroups(next: KeyGroup[]) {
  groups = next;
  for (const listener of listeners) listener();
}

/** Every group of keys that works now, for the help sheet. */
export function useKeyGroups(): KeyGroup[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => groups,
  );
}

/** Keys that work while this component is on the page. An open dialog or menu has the keyboard to itself. */
export function useKeys(title: string, bindings: KeyBinding[], isActive = true): void {
  const current = useRef(bindings);
  current.current = bindings;
  const labels = bindings.map((binding) => `${binding.keys}:${binding.label ?? ""}`).join("|");

  // biome-ignore lint/correctness/useExhaustiveDependencies: `labels` stands for the bindings that are listed
  useEffect(() => {
    if (!isActive) return;
    const group = {
      title,
      get bindings() {
        return current.current;
      },
    };
    setGroups([...groups, group]);
    return () => setGroups(groups.filter((other) => other !== group));
  }, [title, labels, isActive]);

  // With the page and not after it is painted: a key pressed the moment a unit appears is this unit's.
  useLayoutEffect(() => {
    if (!isActive) return;
    function onKeyDown(event: KeyboardEvent) {
      if (
        event.defaultPrevented ||
        event.isComposing ||
        document.querySelector("dialog[open], [popover]:popover-open")
      )
        return;
      const typing = isTyping(event.target);
      for (const binding of current.current) {
        if (typing && !binding.whileTyping) continue;
        if (![binding.keys].flat().some((keys) => matches(event, ownKey(keys)))) continue;
        if (binding.run(event) === false) continue;
        event.preventDefault();
        return;
      }
    }
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, [isActive]);
}
