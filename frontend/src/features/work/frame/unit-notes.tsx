import { Button } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { KeyHint } from "@/components/key-hint";
import { Note } from "@/components/notes";
import type { OpenDraft } from "./use-draft";
import classes from "./work-page.module.css";

interface UnitNotesProps {
  /** About the work as a whole. */
  notes: ReactNode;
  draft: OpenDraft;
  /** It is no longer reserved for who works on it. */
  hasEnded: boolean;
  onRemarkSeen: (() => void) | null;
  /** What may be a slip, while it is asked about. */
  doubt: string;
  onGoBack: () => void;
}

/** What is said over the foot of the page; it moves nothing that is being read. */
export function UnitNotes({ notes, draft, hasEnded, onRemarkSeen, doubt, onGoBack }: UnitNotesProps) {
  const { t } = useTranslation();
  return (
    <div className={classes.notes} aria-live="polite">
      {notes}
      {hasEnded && <Note look="caution">{t("work.leaseEnded")}</Note>}
      {draft.hasOther && (
        <Note>
          {t("conflict.otherKept")}{" "}
          <Button size="compact-sm" variant="default" onClick={draft.switchToOther}>
            {t("conflict.switch")}
          </Button>
        </Note>
      )}
      {onRemarkSeen && (
        <Note look="success" onClose={onRemarkSeen}>
          {t("remark.sent")}
        </Note>
      )}
      {doubt && (
        <Note look="caution">
          {doubt}{" "}
          <Button size="compact-sm" variant="default" onClick={onGoBack}>
            {t("work.goBack")}
            <KeyHint keys="Escape" />
          </Button>
        </Note>
      )}
    </div>
  );
}
