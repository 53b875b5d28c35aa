import { useRef, useState } from "react";
import { flushSync } from "react-dom";
import { useTranslation } from "react-i18next";
import type { WorkProps } from "@/lib/work";
import { type RankingContent, withOwnAnswerClosed, withOwnAnswerOpened } from "./content";

type WritingProps = Pick<WorkProps<RankingContent>, "content" | "change" | "announce">;

/** The field for a better answer: opened with the words that were put away, closed without losing them. */
export function useWriting({ content, change, announce }: WritingProps, remember: () => void) {
  const { t } = useTranslation();
  const [isWriting, setWriting] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);

  function write() {
    flushSync(() => {
      setWriting(true);
      change(withOwnAnswerOpened);
    });
    field.current?.focus();
  }

  function close() {
    setWriting(false);
    if (content.own_answer.trim()) {
      remember();
      announce(t("ranking.own.closed"));
    }
    change(withOwnAnswerClosed);
  }

  return { isOpen: isWriting || content.own_answer !== "", field, write, close };
}
