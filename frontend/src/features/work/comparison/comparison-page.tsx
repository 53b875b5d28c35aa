import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import card from "@/components/answer-card.module.css";
import { ChoiceScale } from "@/components/choice-scale";
import { KeyHint } from "@/components/key-hint";
import { Markdown } from "@/components/markdown/markdown";
import { Prompt } from "@/components/prompt";
import { BOTH_BAD, type Choice, choiceInWords, scaleOf } from "@/lib/choice";
import { lettersOfTwo } from "@/lib/keyboard/letters";
import { ariaKey } from "@/lib/keyboard/own-keys";
import { useKeys } from "@/lib/keyboard/use-keys";
import type { WorkProps } from "@/lib/work";
import classes from "./comparison.module.css";

/** Two completions side by side, and one scale from the first to the second. */
export function ComparisonPage({ assignment, content, change, announce }: WorkProps<Choice>) {
  const { t } = useTranslation();
  const [isRaw, setRaw] = useState(false);
  const pair = useRef<HTMLDivElement>(null);
  const language = assignment.prompt.language || assignment.campaign.language;
  const scale = scaleOf(assignment);

  function choose(choice: Choice | undefined) {
    if (!choice) return;
    change((before) => ({ ...before, ...choice }));
    announce(choiceInWords(assignment, choice, t));
  }

  useKeys(t("keys.comparison"), [
    {
      keys: scale.map((_choice, index) => `Digit${index + 1}`),
      shownAs: `1 … ${scale.length}`,
      label: t("comparison.keys.choose"),
      run: (event) => choose(scale[Number(event.code.slice(-1)) - 1]),
    },
    lettersOfTwo(t("ranking.keys.letter"), () => pair.current?.querySelectorAll("article")),
    { keys: "n", label: t("comparison.all_bad"), run: () => choose(BOTH_BAD) },
    { keys: "v", label: t("text.raw"), run: () => setRaw((raw) => !raw) },
  ]);

  return (
    <div className={classes.page}>
      <div className={classes.prompt}>
        <Prompt
          messages={assignment.prompt.messages}
          brief={assignment.prompt.brief}
          language={language}
          isRaw={isRaw}
        />
      </div>
      <div className={classes.head}>
        <h2>{t("ranking.completions", { count: assignment.completions.length })}</h2>
        <button
          type="button"
          className={classes.raw}
          aria-pressed={isRaw}
          aria-keyshortcuts={ariaKey("v")}
          onClick={() => setRaw(!isRaw)}
        >
          {t("text.raw")}
          <KeyHint keys="v" />
        </button>
      </div>
      <div className={classes.pair} ref={pair}>
        {assignment.completions.map(({ id, text }, index) => {
          const letter = "AB"[index];
          return (
            <article
              key={id}
              className={card.card}
              data-completion={id}
              tabIndex={-1}
              data-chosen={content.chosen === id || undefined}
              aria-label={t("ranking.completion", { letter })}
            >
              <p className={card.name} aria-hidden="true">
                {letter}
              </p>
              {text.trim() ? (
                <Markdown text={text} isRaw={isRaw} language={language} />
              ) : (
                <p className={classes.nothing}>{t("ranking.emptyText")}</p>
              )}
            </article>
          );
        })}
      </div>
      <ChoiceScale
        name={`choice-${assignment.id}`}
        pair={assignment}
        content={content}
        hasBothBad
        onChoose={choose}
      />
    </div>
  );
}
