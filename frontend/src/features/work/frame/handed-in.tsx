import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Note } from "@/components/notes";
import type { Assignment } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import classes from "./work-page.module.css";

interface HandedInProps {
  submitted: NonNullable<Assignment["submitted"]>;
  /** It can no longer be corrected. */
  isOver: boolean;
  onVersions: () => void;
  /** Back to the unit that was put aside for this one. */
  onLeave: (() => void) | null;
}

/** Of a unit that was handed in: what a reviewer said, or until when it can be corrected. */
export function HandedIn({ submitted, isOver, onVersions, onLeave }: HandedInProps) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <div className={classes.notice}>
      <Note look={submitted.review?.verdict === "returned" ? "caution" : "note"}>
        {submitted.review
          ? t(`review.told.${submitted.review.verdict}`, { comment: submitted.review.comment })
          : t(isOver ? "correction.over" : "correction.until", {
              when: format.date(submitted.given_at),
              until: format.date(submitted.correct_until),
            })}{" "}
        {submitted.revision > 1 && (
          <Button size="compact-sm" variant="default" onClick={onVersions}>
            {t("versions.title")}
          </Button>
        )}{" "}
        {onLeave && (
          <Button size="compact-sm" variant="default" onClick={onLeave}>
            {t("correction.leave")}
          </Button>
        )}
      </Note>
    </div>
  );
}
