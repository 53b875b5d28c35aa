import { useTranslation } from "react-i18next";
import type { Message } from "@/lib/api/types";
import { roleInWords } from "@/lib/roles";
import classes from "./dialogue.module.css";
import { Markdown } from "./markdown";

interface DialogueProps {
  messages: Message[];
  brief?: string;
  language?: string;
}

/** A dialogue to be read: who says what, in order. A brief stands alone where nothing has been said yet. */
export function Dialogue({ messages, brief, language }: DialogueProps) {
  const { t } = useTranslation();
  return (
    <section className={classes.dialogue} aria-label={t("dialogue.title")}>
      {brief && (
        <div className={classes.turn} data-role="brief">
          <h2>{t("dialogue.brief")}</h2>
          <Markdown text={brief} language={language} />
        </div>
      )}
      {messages.map((message, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a turn is its place in the dialogue
        <div key={index} className={classes.turn} data-role={message.role}>
          <h2>{roleInWords(message.role, t)}</h2>
          <Markdown text={message.content} language={language} />
        </div>
      ))}
    </section>
  );
}
