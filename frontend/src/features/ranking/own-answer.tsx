import { Button } from "@mantine/core";
import { PenLine } from "lucide-react";
import { type RefObject, useId } from "react";
import { useTranslation } from "react-i18next";
import { KeyHint } from "@/components/key-hint";
import { WritingField } from "@/components/writing-field";
import { ariaKey } from "@/lib/keyboard/own-keys";
import classes from "./ranking.module.css";

interface OwnAnswerProps {
  letter: string;
  text: string;
  language: string;
  isOpen: boolean;
  isDemonstration: boolean;
  field: RefObject<HTMLTextAreaElement | null>;
  onOpen: () => void;
  onWrite: (text: string) => void;
}

/** A better answer than all of them, by whoever ranks; with its first word it is one of those to be ordered. */
export function OwnAnswer(props: OwnAnswerProps) {
  const { t } = useTranslation();
  const id = useId();
  if (!props.isOpen) {
    return (
      <Button
        variant="default"
        leftSection={<PenLine size={16} />}
        aria-keyshortcuts={ariaKey("w")}
        onClick={props.onOpen}
      >
        {t("ranking.own.write")}
        <KeyHint keys="w" />
      </Button>
    );
  }
  return (
    <section className={classes.own}>
      <label htmlFor={id}>{t("ranking.own.label", { letter: props.letter })}</label>
      <WritingField
        ref={props.field}
        id={id}
        lines={3}
        lang={props.language}
        value={props.text}
        placeholder={t("ranking.own.placeholder")}
        onWrite={props.onWrite}
      />
      <p className={classes.quietNote}>
        {t(props.isDemonstration ? "ranking.own.hintDemonstration" : "ranking.own.hint", {
          letter: props.letter,
        })}
      </p>
    </section>
  );
}
