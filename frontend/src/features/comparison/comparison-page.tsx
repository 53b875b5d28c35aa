import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Dialogue } from "@/components/dialogue";
import { KeyHint } from "@/components/key-hint";
import { Markdown } from "@/components/markdown";
import { ariaKey } from "@/lib/keyboard/own-keys";
import { useKeys } from "@/lib/keyboard/use-keys";
import type { WorkProps } from "@/lib/work";
import classes from "./comparison.module.css";
import { BOTH_BAD, type ComparisonContent, inWords, isSame, scaleOf } from "./content";

/** Two completions side by side, and one scale from the first to the second. */
export function ComparisonPage({ assignment, content, change, announce }: WorkProps<ComparisonContent>) {
  const { t } = useTranslation();
  const [isRaw, setRaw] = useState(false);
  const language = assignment.prompt.language || assignment.campaign.language;
  const scale = scaleOf(assignment);

  function choose(choice: ComparisonContent | undefined) {
    if (!choice) return;
    change((before) => ({ ...before, ...choice }));
    announce(inWords(assignment, choice, t));
  }

  useKeys(t("keys.comparison"), [
    {
      keys: scale.map((_choice, index) => `Digit${index + 1}`),
      shownAs: `1 … ${scale.length}`,
      label: t("comparison.keys.choose"),
      run: (event) => choose(scale[Number(event.code.slice(-1)) - 1]),
    },
    { keys: "b", label: t("comparison.all_bad"), run: () => choose(BOTH_BAD) },
    { keys: "v", label: t("text.raw"), run: () => setRaw((raw) => !raw) },
  ]);

  const place = (choice: ComparisonContent, keys: string, short: string) => (
    <label
      key={keys}
      className={classes.place}
      data-chosen={isSame(choice, content) || undefined}
      data-verdict={choice.verdict}
    >
      <input
        type="radio"
        name={`choice-${assignment.id}`}
        aria-label={inWords(assignment, choice, t)}
        aria-keyshortcuts={ariaKey(keys).replace("DIGIT", "")}
        checked={isSame(choice, content)}
        onChange={() => choose(choice)}
      />
      <span>{short}</span>
      <KeyHint keys={keys} />
    </label>
  );

  return (
    <div className={classes.page}>
      <div className={classes.prompt}>
        <Dialogue
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
      <div className={classes.pair}>
        {assignment.completions.map(({ id, text }, index) => {
          const letter = "AB"[index];
          return (
            <article
              key={id}
              className={classes.card}
              data-completion={id}
              data-chosen={content.chosen === id || undefined}
              aria-label={t("ranking.completion", { letter })}
            >
              <p className={classes.name} aria-hidden="true">
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
      <fieldset className={classes.choice}>
        <legend>{t("comparison.question")}</legend>
        <div className={classes.ends} aria-hidden="true">
          <span>{t("comparison.end", { letter: "A" })}</span>
          <span>{t("comparison.end", { letter: "B" })}</span>
        </div>
        <div className={classes.scale}>
          {scale.map((choice, index) =>
            place(
              choice,
              `Digit${index + 1}`,
              choice.strength ? t(`comparison.short.${choice.strength}`) : t("comparison.short.tie"),
            ),
          )}
        </div>
        <div className={classes.below}>{place(BOTH_BAD, "b", t("comparison.all_bad"))}</div>
      </fieldset>
    </div>
  );
}
