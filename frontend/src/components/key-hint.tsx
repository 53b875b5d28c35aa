import { isMac, shown } from "@/lib/keyboard/keys";
import { ownKey } from "@/lib/keyboard/own-keys";
import classes from "./key-hint.module.css";

/** The keys of a control, shown on it; read from its aria-keyshortcuts by screen readers, so hidden from them here. */
export function KeyHint({ keys }: { keys: string }) {
  return (
    <span className={classes.hint} aria-hidden="true">
      {shown(ownKey(keys), isMac).map((part) => (
        <kbd key={part}>{part}</kbd>
      ))}
    </span>
  );
}
