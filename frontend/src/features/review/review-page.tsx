import { Button } from "@mantine/core";
import { lazy, Suspense, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { useTranslation } from "react-i18next";
import { KeyHint } from "@/components/key-hint";
import { Note } from "@/components/notes";
import { useFormat } from "@/lib/format";
import { useKeys } from "@/lib/keyboard/use-keys";
import type { AnyWorkKind, WorkProps } from "@/lib/work";
import { type ReviewContent, type Verdict, workOf } from "./content";
import classes from "./review.module.css";

const Versions = lazy(() => import("@/components/versions").then((m) => ({ default: m.Versions })));

interface ReviewPageProps extends WorkProps<ReviewContent> {
  /** The kind of what is reviewed. */
  kind: AnyWorkKind;
  /** The work as it was given, or as it is being corrected. */
  shown: unknown;
}

const CHOICES: [Verdict, string][] = [
  ["accepted", "a"],
  ["corrected", "m"],
  ["returned", "t"],
];
const nothing = () => undefined;

/** Another person's work in the page in which it was made, and below it what one decides of it. */
export function ReviewPage({ assignment, content, change, announce, kind, shown }: ReviewPageProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const comment = useRef<HTMLTextAreaElement>(null);
  const isCorrecting = content.verdict === "corrected";
  const { earlier = [], revision = 1, assignment: reviewedId = 0 } = assignment.reviewed ?? {};
  const [showsVersions, setShowsVersions] = useState(false);

  function decide(verdict: Verdict) {
    change((before) => ({
      ...before,
      verdict,
      correction: verdict === "corrected" ? (before.correction ?? shown) : before.correction,
    }));
    announce(t(`review.announced.${verdict}`));
  }

  useKeys(
    t("keys.review"),
    CHOICES.map(([verdict, keys]) => ({
      keys,
      label: t(`review.verdict.${verdict}`),
      run: () => {
        flushSync(() => decide(verdict));
        if (verdict === "returned") comment.current?.focus(); // the next letter typed says why
      },
    })),
  );

  return (
    <div className={classes.page}>
      {earlier.map((review) => (
        <Note key={review.created_at}>
          {t("review.earlier", { when: format.date(review.created_at), comment: review.comment })}
        </Note>
      ))}
      {revision > 1 && (
        <Note>
          {t("versions.latest", { number: revision })}{" "}
          <Button size="compact-sm" variant="default" onClick={() => setShowsVersions(true)}>
            {t("versions.title")}
          </Button>
        </Note>
      )}
      {showsVersions && (
        <Suspense fallback={null}>
          <Versions
            assignmentId={reviewedId}
            assignment={workOf(assignment)}
            kind={kind}
            isOwn={false}
            onClose={() => setShowsVersions(false)}
          />
        </Suspense>
      )}
      {/* Disabled, all of it can still be read. */}
      <fieldset className={classes.work} disabled={!isCorrecting} aria-label={t("review.work")}>
        {kind.Reading && !isCorrecting ? (
          <kind.Reading assignment={workOf(assignment)} content={shown} />
        ) : (
          <kind.Page
            assignment={workOf(assignment)}
            content={shown}
            change={
              isCorrecting
                ? (next: (content: unknown) => unknown) =>
                    change((before) => ({ ...before, correction: next(before.correction) }))
                : nothing
            }
            announce={isCorrecting ? announce : nothing}
          />
        )}
      </fieldset>
      <section className={classes.verdict} aria-label={t("review.title")}>
        <fieldset>
          <legend>{t("review.title")}</legend>
          {CHOICES.map(([verdict, keys]) => (
            <label key={verdict} data-chosen={content.verdict === verdict || undefined}>
              <input
                type="radio"
                name={`verdict-${assignment.id}`}
                aria-label={t(`review.verdict.${verdict}`)}
                aria-keyshortcuts={keys.toUpperCase()}
                checked={content.verdict === verdict}
                onChange={() => decide(verdict)}
              />
              <span>{t(`review.verdict.${verdict}`)}</span>
              <KeyHint keys={keys} />
            </label>
          ))}
        </fieldset>
        {content.verdict && (
          <label className={classes.comment}>
            {t(content.verdict === "returned" ? "review.commentNeeded" : "review.comment")}
            <textarea
              ref={comment}
              rows={2}
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
    </div>
  );
}
