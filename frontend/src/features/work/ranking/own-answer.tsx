import { ActionIcon, Button } from "@mantine/core";
import { PenLine, X } from "lucide-react";
import { type KeyboardEvent, type RefObject, useId } from "react";
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
  /** It was closed with words in it, which come back. */
  isPutAway: boolean;
  isDemonstration: boolean;
  field: RefObject<HTMLTextAreaElement | null>;
  onOpen: () => void;
  onClose: () => void;
  /** Out of the field and on with the keys, the answer as it stands. */
  onLeave: () => void;
  onWrite: (text: string) => void;
}

/** A better answer than all of them, by whoever ranks; with its first word it is one of those to be ordered. */
export function OwnAnswer(props: OwnAnswerProps) {
  const { t } = useTranslation();
  const id = useId();
  const isEmpty = !props.text.trim();
  if (!props.isOpen) {
    return (
      <Button
        variant="default"
        leftSection={<PenLine size={16} />}
        aria-keyshortcuts={ariaKey("w")}
        onClick={props.onOpen}
      >
        {t(props.isPutAway ? "ranking.own.again" : "ranking.own.write")}
        <KeyHint keys="w" />
      </Button>
    );
  }
  function leaveByEscape(event: KeyboardEvent) {
    if (event.key !== "Escape" || event.nativeEvent.isComposing) return;
    event.preventDefault();
    if (isEmpty) props.onClose();
    else props.onLeave();
  }
  return (
    <section className={classes.own}>
      <div className={classes.ownHead}>
        <label htmlFor={id}>{t("ranking.own.label", { letter: props.letter })}</label>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={t("ranking.own.close")}
          title={t("ranking.own.close")}
          onClick={props.onClose}
        >
          <X size={18} aria-hidden="true" />
        </ActionIcon>
      </div>
      <WritingField
        ref={props.field}
        id={id}
        lines={3}
        lang={props.language}
        value={props.text}
        placeholder={t("ranking.own.placeholder")}
        onWrite={props.onWrite}
        onKeyDown={leaveByEscape}
      />
      <p className={classes.quietNote}>
        {t(props.isDemonstration ? "ranking.own.hintDemonstration" : "ranking.own.hint", {
          letter: props.letter,
        })}
      </p>
    </section>
  );
}
