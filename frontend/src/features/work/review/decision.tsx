import { useRef } from "react";
import { flushSync } from "react-dom";
import { useTranslation } from "react-i18next";
import { KeyHint } from "@/components/key-hint";
import { ariaKey } from "@/lib/keyboard/own-keys";
import { useKeys } from "@/lib/keyboard/use-keys";
import type { WorkProps } from "@/lib/work";
import type { ReviewContent, Verdict } from "./content";
import classes from "./review.module.css";

const CHOICES: [Verdict, string][] = [
  ["accepted", "o"],
  ["corrected", "m"],
  ["returned", "t"],
];

interface DecisionProps extends WorkProps<ReviewContent> {
  /** The work as its author gave it, with which a correction begins. */
  given: unknown;
}

/** What one decides of another's work, and a word to its author: always in sight at the foot of the page. */
export function Decision({ assignment, content, change, announce, given }: DecisionProps) {
  const { t } = useTranslation();
  const comment = useRef<HTMLTextAreaElement>(null);

  function decide(verdict: Verdict) {
    change((before) => ({
      ...before,
      verdict,
      correction: verdict === "corrected" ? (before.correction ?? given) : before.correction,
    }));
    announce(t(`review.announced.${verdict}`));
  }

  useKeys(
    t("keys.review"),
    CHOICES.map(([verdict, keys]) => ({
      keys,
      label: t(`review.verdict.${verdict}`),
      run: () => {
        // Once more, and the next letter typed is a word to the author.
        if (content.verdict === verdict) comment.current?.focus();
        else flushSync(() => decide(verdict));
      },
    })),
  );

  const chosen = CHOICES.find(([verdict]) => verdict === content.verdict);
  return (
    <section className={classes.decision} data-tall-foot aria-label={t("review.title")}>
      <fieldset>
        <legend className="visually-hidden">{t("review.title")}</legend>
        {CHOICES.map(([verdict, keys]) => (
          <label key={verdict} data-chosen={content.verdict === verdict || undefined}>
            <input
              type="radio"
              name={`verdict-${assignment.id}`}
              aria-label={t(`review.verdict.${verdict}`)}
              aria-keyshortcuts={ariaKey(keys)}
              checked={content.verdict === verdict}
              onChange={() => decide(verdict)}
            />
            <span>{t(`review.verdict.${verdict}`)}</span>
            <KeyHint keys={keys} />
          </label>
        ))}
      </fieldset>
      {chosen && (
        <label className={classes.comment}>
          <span>
            {t(content.verdict === "returned" ? "review.commentNeeded" : "review.comment")}
            <KeyHint keys={chosen[1]} />
          </span>
          <textarea
            ref={comment}
            rows={1}
            dir="auto"
            maxLength={4000}
            value={content.comment}
            onChange={(event) => {
              const said = event.currentTarget.value;
              change((before) => ({ ...before, comment: said }));
            }}
          />
        </label>
      )}
    </section>
  );
}
