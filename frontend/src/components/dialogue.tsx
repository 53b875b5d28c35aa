import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Message } from "@/lib/api/types";
import { roleInWords } from "@/lib/roles";
import classes from "./dialogue.module.css";
import { Markdown } from "./markdown/markdown";

export interface DialogueProps {
  messages: Message[];
  brief?: string;
  language?: string;
  /** Shown as it was written, markup and all. */
  isRaw?: boolean;
}

// Of a longer dialogue the turns between are shown when they are asked for.
const MOST_TURNS = 16;
const FIRST = 2;
const LAST = 8;

/** A dialogue to be read: who says what, in order. A brief stands alone where nothing has been said yet. */
export function Dialogue({ messages, brief, language, isRaw }: DialogueProps) {
  const { t } = useTranslation();
  const [isWhole, setWhole] = useState(false);
  const isCut = messages.length > MOST_TURNS && !isWhole;
  const numHidden = isCut ? messages.length - FIRST - LAST : 0;
  return (
    <section className={classes.dialogue} aria-label={t("dialogue.title")}>
      {brief && (
        <div className={classes.turn} data-role="brief">
          <h2>{t("dialogue.brief")}</h2>
          <Markdown text={brief} language={language} isRaw={isRaw} />
        </div>
      )}
      {messages.map((message, index) => {
        if (isCut && index === FIRST) {
          return (
            <button key="hidden" type="button" className={classes.more} onClick={() => setWhole(true)}>
              {t("dialogue.showBetween", { count: numHidden })}
            </button>
          );
        }
        if (isCut && index > FIRST && index < FIRST + numHidden) return null;
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: a turn is its place in the dialogue
          <div key={index} className={classes.turn} data-role={message.role} data-many={isWhole || undefined}>
            <h2>{roleInWords(message.role, t)}</h2>
            <Markdown text={message.content} language={language} isRaw={isRaw} />
          </div>
        );
      })}
    </section>
  );
}
