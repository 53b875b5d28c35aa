import type { ComponentProps } from "react";
import classes from "./writing-field.module.css";

interface WritingFieldProps extends Omit<ComponentProps<"textarea">, "rows" | "onChange"> {
  /** How many lines it has while it is empty; it grows with what is written. */
  lines: number;
  onWrite: (text: string) => void;
}

/** Where a message or an answer is written: in the size in which it is read, each paragraph in its own direction. */
export function WritingField({ lines, onWrite, ...props }: WritingFieldProps) {
  return (
    <textarea
      {...props}
      className={classes.field}
      dir="auto"
      rows={lines}
      style={{ minHeight: `calc(${lines} * 1.6 * var(--reading-size) + 1.5rem)` }}
      onChange={(event) => onWrite(event.currentTarget.value)}
    />
  );
}
