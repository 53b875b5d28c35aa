import { Button } from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { Note } from "@/components/notes";
import { useFormat } from "@/lib/format";
import type { AnyWorkKind, WorkProps } from "@/lib/work";
import { type ReviewContent, workOf } from "./content";
import classes from "./review.module.css";

const Versions = lazy(() => import("@/components/versions").then((m) => ({ default: m.Versions })));

interface ReviewPageProps extends WorkProps<ReviewContent> {
  /** The kind of what is reviewed. */
  kind: AnyWorkKind;
  /** The work as it was given, or as it is being corrected. */
  shown: unknown;
}

const nothing = () => undefined;

/** Another person's work in the page in which it was made. */
export function ReviewPage({ assignment, content, change, announce, kind, shown }: ReviewPageProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const isCorrecting = content.verdict === "corrected";
  const { earlier = [], revision = 1, assignment: reviewedId = 0 } = assignment.reviewed ?? {};
  const [showsVersions, setShowsVersions] = useState(false);

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
      {kind.Reading && !isCorrecting ? (
        <section aria-label={t("review.work")}>
          <kind.Reading assignment={workOf(assignment)} content={shown} />
        </section>
      ) : (
        // Disabled, all of it can still be read.
        <fieldset className={classes.work} disabled={!isCorrecting} aria-label={t("review.work")}>
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
        </fieldset>
      )}
    </div>
  );
}
