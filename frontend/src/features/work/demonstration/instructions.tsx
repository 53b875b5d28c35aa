import { Button } from "@mantine/core";
import { Plus } from "lucide-react";
import { useId, useRef } from "react";
import { flushSync } from "react-dom";
import { useTranslation } from "react-i18next";
import { WritingField } from "@/components/writing-field";
import classes from "./demonstration.module.css";

interface InstructionsProps {
  /** Null while there are none. */
  text: string | null;
  language: string;
  onWrite: (text: string | null) => void;
}

/** How the assistant is to behave in this dialogue, if the writer wants to say it. */
export function Instructions({ text, language, onWrite }: InstructionsProps) {
  const { t } = useTranslation();
  const id = useId();
  const field = useRef<HTMLTextAreaElement>(null);
  if (text === null) {
    return (
      <Button
        variant="default"
        className={classes.add}
        leftSection={<Plus size={16} />}
        onClick={() => {
          flushSync(() => onWrite(""));
          field.current?.focus();
        }}
      >
        {t("demonstration.instructions.add")}
      </Button>
    );
  }
  return (
    <section className={classes.turn} data-role="system">
      <div className={classes.head}>
        <label htmlFor={id}>{t("dialogue.system")}</label>
      </div>
      <WritingField
        ref={field}
        id={id}
        lines={2}
        lang={language}
        value={text}
        placeholder={t("demonstration.instructions.placeholder")}
        onWrite={onWrite}
        onBlur={() => !text.trim() && onWrite(null)}
      />
    </section>
  );
}
