import { useDeferredValue, useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Assignment } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { nameOfLanguage } from "@/lib/i18n";
import classes from "./demonstration.module.css";
import { numWordsOf } from "./sentences";

export type AskedWords = Pick<Assignment["campaign"], "min_words" | "max_words">;

interface WordsHintProps {
  text: string;
  language: string;
  asked: AskedWords;
}

/** In which language, how long it is, and how long it should be: a hint, which refuses nothing. */
export function WordsHint({ text, language, asked: { min_words: min, max_words: max } }: WordsHintProps) {
  const { t } = useTranslation();
  const format = useFormat();
  // Counted when there is a moment for it: typing goes first.
  const counted = useDeferredValue(text);
  const num = useMemo(() => numWordsOf(counted, language), [counted, language]);
  const isOff = num > 0 && ((min !== null && num < min) || (max !== null && num > max));
  const asked =
    min !== null && max !== null
      ? t("demonstration.words.between", { min: format.number(min), max: format.number(max) })
      : min !== null
        ? t("demonstration.words.atLeast", { count: min })
        : max !== null && t("demonstration.words.atMost", { count: max });
  const facts = [
    t("demonstration.words.language", { language: nameOfLanguage(language, format.language) }),
    num > 0 && t("demonstration.words.written", { count: num }),
    asked,
  ];
  return (
    <p className={classes.hint} data-off={isOff || undefined}>
      {facts.filter(Boolean).join(" · ")}
    </p>
  );
}
