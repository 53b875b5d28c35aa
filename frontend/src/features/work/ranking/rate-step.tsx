import { Button } from "@mantine/core";
import { ArrowLeft, ArrowRight, Check } from "lucide-react";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { CompletionText } from "@/components/completions/completion-text";
import shared from "@/components/completions/completions.module.css";
import { KeyHint } from "@/components/key-hint";
import { Prompt } from "@/components/prompt";
import { letters } from "@/lib/keyboard/letters";
import { ariaKey } from "@/lib/keyboard/own-keys";
import { useKeys } from "@/lib/keyboard/use-keys";
import type { WorkProps } from "@/lib/work";
import { areAllRated, HIGHEST_RATING, letterOf, type RankingContent, ratingOf } from "./content";
import { Judgement } from "./judgement";
import { digits } from "./keys";
import classes from "./ranking.module.css";

interface RateStepProps extends WorkProps<RankingContent> {
  rate: (id: number, value: number | null) => void;
  flag: (id: number, flag: string) => void;
  onOrder: () => void;
}

/** One completion at a time, without the others beside it; when each has its rating, they are put in order. */
export function RateStep({ assignment, content, announce, rate, flag, onOrder }: RateStepProps) {
  const { t } = useTranslation();
  const { completions, campaign, prompt } = assignment;
  const isUnrated = ({ id }: { id: number }) => ratingOf(content, id).value === null;
  const [index, setIndex] = useState(() => Math.max(0, completions.findIndex(isUnrated)));
  const [isRaw, setRaw] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  const completion = completions[index];
  const isReady = areAllRated(assignment, content);
  const isLast = index === completions.length - 1;
  const language = prompt.language || campaign.language;

  function show(next: number) {
    if (!completions[next]) return;
    setIndex(next);
    announce(t("ranking.alone", { letter: String.fromCharCode(65 + next), of: completions.length }));
    heading.current?.focus({ preventScroll: true });
    heading.current?.scrollIntoView({ block: "nearest" });
  }
  function goOn() {
    if (isLast && isReady) onOrder();
    else show(isLast ? completions.findIndex(isUnrated) : index + 1);
  }
  const rateThis = (event: KeyboardEvent) =>
    completion && rate(completion.id, Number(event.code.slice(-1)) || null);

  useKeys(t("keys.ranking"), [
    {
      keys: [...digits(1, HIGHEST_RATING), ...digits(0, HIGHEST_RATING).map((key) => `shift+${key}`)],
      shownAs: `1 … ${HIGHEST_RATING}`,
      label: t("ranking.keys.rate"),
      run: rateThis,
    },
    {
      keys: letters(completions.length),
      shownAs: `A … ${letters(completions.length).at(-1)}`,
      label: t("ranking.keys.letter"),
      run: (event) => show(letters(completions.length).indexOf(event.key.toUpperCase())),
    },
    { keys: "j", label: t("ranking.keys.next"), run: goOn },
    { keys: "k", label: t("ranking.keys.previous"), run: () => show(index - 1) },
    { keys: "v", label: t("text.raw"), run: () => setRaw((raw) => !raw) },
  ]);

  if (!completion) return null;
  const letter = letterOf(assignment, completion.id);
  return (
    <div className={classes.alone} data-measure>
      <Prompt messages={prompt.messages} brief={prompt.brief} language={language} />
      <div className={shared.head}>
        <h2 ref={heading} tabIndex={-1}>
          {t("ranking.alone", { letter, of: completions.length })}
        </h2>
        <nav className={shared.letters} aria-label={t("ranking.completions", { count: completions.length })}>
          {completions.map(({ id }, at) => (
            <button
              key={id}
              type="button"
              aria-current={at === index ? "true" : undefined}
              onClick={() => show(at)}
            >
              {letterOf(assignment, id)}
              {ratingOf(content, id).value !== null && <Check size={14} aria-label={t("ranking.isRated")} />}
            </button>
          ))}
        </nav>
      </div>
      <article
        key={completion.id}
        className={shared.card}
        data-completion={completion.id}
        aria-label={t("ranking.completion", { letter })}
      >
        <CompletionText text={completion.text} isRaw={isRaw} language={language} />
        <Judgement
          id={completion.id}
          letter={letter}
          rating={ratingOf(content, completion.id)}
          flags={campaign.flags}
          onRate={rate}
          onFlag={flag}
        />
      </article>
      <div className={classes.steps}>
        <Button
          variant="default"
          disabled={index === 0}
          leftSection={<ArrowLeft size={16} className="flip-rtl" />}
          aria-keyshortcuts={ariaKey("k")}
          onClick={() => show(index - 1)}
        >
          {t("ranking.previous")}
          <KeyHint keys="k" />
        </Button>
        <Button
          variant={isReady ? "filled" : "default"}
          disabled={isLast && isUnrated(completion)}
          rightSection={<ArrowRight size={16} className="flip-rtl" />}
          aria-keyshortcuts={ariaKey("j")}
          onClick={goOn}
        >
          {t(isLast && isReady ? "ranking.toOrder" : "ranking.next")}
          <KeyHint keys="j" />
        </Button>
        {isReady && !isLast && (
          <Button variant="default" onClick={onOrder}>
            {t("ranking.toOrder")}
          </Button>
        )}
      </div>
    </div>
  );
}
