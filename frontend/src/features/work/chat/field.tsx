import { type ReactNode, useId } from "react";
import { WritingField } from "@/components/writing-field";
import classes from "./chat.module.css";

interface FieldProps {
  name: "written" | "edited";
  label: string;
  hint?: ReactNode;
  text: string;
  language: string;
  onWrite: (text: string) => void;
}

/** A field of the chat; keys lead to it by its name. */
export function Field({ name, label, hint, text, language, onWrite }: FieldProps) {
  const id = useId();
  return (
    <div className={classes.field}>
      <label htmlFor={id}>
        {label}
        {hint}
      </label>
      <WritingField id={id} lines={2} data-field={name} lang={language} value={text} onWrite={onWrite} />
    </div>
  );
}
