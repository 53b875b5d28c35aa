import { useTranslation } from "react-i18next";
import card from "@/components/answer-card.module.css";
import { Markdown } from "@/components/markdown/markdown";
import { choiceInWords } from "@/lib/choice";
import classes from "./chat.module.css";
import { type ChatTurn, choiceOf, pairOf } from "./content";

/** Of a dialogue that was handed in: the turns before the last one, each with its two answers and the choice. */
export function EarlierChoices({
  turns,
  language,
  isRaw,
}: {
  turns: ChatTurn[];
  language: string;
  isRaw: boolean;
}) {
  const { t } = useTranslation();
  return turns.map(
    (turn, index) =>
      turn.answers.length > 1 && (
        <details key={turn.key} className={classes.earlier}>
          <summary>
            {t("chat.turn", {
              number: index + 1,
              choice: choiceInWords(pairOf(turn), choiceOf(turn), t),
            })}
          </summary>
          <div className={classes.answers} data-two>
            {turn.answers.map(({ suggestion, text }, at) => (
              <article
                key={suggestion}
                className={card.card}
                data-chosen={(turn.strength !== null && turn.chosen === suggestion) || undefined}
                aria-label={t("ranking.completion", { letter: "AB"[at] })}
              >
                <p className={card.name} aria-hidden="true">
                  {"AB"[at]}
                </p>
                <Markdown text={text} isRaw={isRaw} language={language} />
              </article>
            ))}
          </div>
        </details>
      ),
  );
}
