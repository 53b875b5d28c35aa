import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import card from "@/components/answer-card.module.css";
import { ChoiceScale } from "@/components/choice-scale";
import { KeyHint } from "@/components/key-hint";
import { Markdown } from "@/components/markdown/markdown";
import { ariaKey } from "@/lib/keyboard/own-keys";
import classes from "./chat.module.css";
import { type ChatTurn, choiceOf, pairOf } from "./content";
import { Field } from "./field";
import type { Talk } from "./use-talk";

interface LastTurnProps {
  talk: Talk;
  last: ChatTurn;
  language: string;
  isRaw: boolean;
}

/** The answers to what was said last: as they come, then to be chosen from, made better, asked for again. */
export function LastTurn(props: LastTurnProps) {
  const { t } = useTranslation();
  const { talk, last, language } = props;
  const { isSame, isPair, canEdit } = talk;
  return (
    <section className={classes.turn} aria-label={t("chat.answers", { count: talk.sides.length })}>
      <Answers {...props} />
      {!talk.isStreaming && (talk.failed || last.answers.length === 0) && (
        <p className={classes.failed} role="alert">
          {talk.failed?.detail || t(last.answers.length ? "chat.broken" : "chat.noAnswer")}
        </p>
      )}
      {isSame && <p className={classes.same}>{t("chat.same")}</p>}
      {isPair && (
        <ChoiceScale
          name={`choice-${last.key}`}
          pair={pairOf(last)}
          content={choiceOf(last)}
          onChoose={talk.choose}
        />
      )}
      {last.edited !== null && canEdit && (
        <Field
          name="edited"
          label={t("chat.edited")}
          text={last.edited}
          language={language}
          onWrite={(edited) => talk.setLast((turn) => ({ ...turn, edited }))}
        />
      )}
      <Actions {...props} />
    </section>
  );
}

function Answers({ talk, last, language, isRaw }: LastTurnProps) {
  const { t } = useTranslation();
  const { isSame, isPair, sides, coming } = talk;
  return (
    <div className={classes.answers} data-two={isPair || undefined}>
      {(isSame ? last.answers.slice(0, 1) : last.answers).map(({ suggestion, text }, index) => (
        <article
          key={suggestion}
          className={card.card}
          data-suggestion={suggestion}
          tabIndex={-1}
          data-chosen={(isPair && last.chosen === suggestion) || undefined}
          aria-label={isPair ? t("ranking.completion", { letter: "AB"[index] }) : t("chat.answer")}
        >
          {isPair && (
            <p className={card.name} aria-hidden="true">
              {"AB"[index]}
            </p>
          )}
          <Markdown text={text} isRaw={isRaw} language={language} />
        </article>
      ))}
      {talk.isStreaming && (
        <div className={card.card} aria-busy="true">
          <p className={card.name}>{t("chat.asked", { count: sides.length })}</p>
          {sides.length === 1 && coming[0]?.text && (
            <Markdown text={coming[0].text} isRaw={isRaw} language={language} />
          )}
        </div>
      )}
    </div>
  );
}

function Actions({ talk, last }: LastTurnProps) {
  const { t } = useTranslation();
  const { isGiven, isStreaming, canEdit, setLast } = talk;
  const button = (keys: string, label: string, onClick: () => void) => (
    <Button size="xs" variant="default" aria-keyshortcuts={ariaKey(keys)} onClick={onClick}>
      {label}
      <KeyHint keys={keys} />
    </Button>
  );
  return (
    <div className={classes.actions}>
      {isStreaming && button("x", t("chat.stop"), talk.stopAll)}
      {canEdit && last.edited === null && button("e", t("chat.edit"), talk.edit)}
      {last.edited !== null && (
        <Button size="xs" variant="default" onClick={() => setLast((turn) => ({ ...turn, edited: null }))}>
          {t("chat.asItWas")}
        </Button>
      )}
      {!isGiven && !isStreaming && button("t", t("chat.again"), talk.again)}
      {!isGiven && button("p", t("chat.back"), talk.takeBack)}
    </div>
  );
}
