import { Button } from "@mantine/core";
import { useCallback, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Note, ProblemNote } from "@/components/notes";
import type { Assignment } from "@/lib/api/types";
import { submissionKeyOf } from "@/lib/drafts/device-store";
import { useKeys } from "@/lib/keyboard/use-keys";
import { useMe } from "@/lib/me";
import type { AnyWorkKind } from "@/lib/work";
import { type Submitted, skipAssignment } from "./api";
import { BottomBar } from "./bottom-bar";
import { ConflictDialog } from "./conflict-dialog";
import { GuidelinesPanel, useGuidelinesPanel } from "./guidelines-panel";
import { SkipDialog } from "./skip-dialog";
import { useDraft } from "./use-draft";
import { useLease } from "./use-lease";
import { useSubmission } from "./use-submission";
import classes from "./work-page.module.css";

interface UnitProps {
  assignment: Assignment;
  kind: AnyWorkKind;
  numDone: number;
  onFinished: (stored: Submitted | null) => Promise<void>;
}

/** The frame around one unit: the work in the middle, guidelines beside it, the bar below. */
export function Unit({ assignment, kind, numDone, onFinished }: UnitProps) {
  const { t } = useTranslation();
  const me = useMe();
  const lease = useLease(assignment);
  const draft = useDraft(assignment, kind, me.id, lease.activeSeconds);
  const panel = useGuidelinesPanel();
  const [isSkipping, setSkipping] = useState(false);
  const [skipProblem, setSkipProblem] = useState<unknown>(null);
  const [spoken, setSpoken] = useState("");
  const [showsMissing, setShowsMissing] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  const missing = kind.missing(assignment, draft.content);

  useEffect(() => heading.current?.focus({ preventScroll: true }), []);

  const submission = useSubmission((stored) => {
    draft.close(true);
    void onFinished(stored);
  });

  const submit = useCallback(() => {
    if (missing) {
      setShowsMissing(true);
      setSpoken(t(missing.key));
      return;
    }
    submission.submit({
      userId: me.id,
      assignmentId: assignment.id,
      body: {
        ...kind.submission(assignment, draft.content),
        submission_key: submissionKeyOf(me.id, assignment.id),
        seconds_spent: draft.secondsSpent(),
      },
    });
  }, [missing, submission.submit, me.id, assignment, kind, draft, t]);

  async function skip(reason: string) {
    try {
      await draft.flush();
      await skipAssignment(assignment.id, reason);
      draft.close(true);
      setSkipping(false);
      await onFinished(null);
    } catch (error) {
      setSkipProblem(error);
    }
  }

  useKeys(t("keys.unit"), [
    { keys: "mod+Enter", label: t("work.submit"), whileTyping: true, run: submit },
    { keys: "s", label: t("work.skip"), run: () => setSkipping(true) },
    { keys: "g", label: t("guidelines.toggle"), run: panel.toggle },
  ]);

  const isLocked = submission.sending !== "idle";
  return (
    <div className={classes.frame} data-panel={panel.isOpen || undefined}>
      <div className={classes.work}>
        <header className={classes.where}>
          <h1 ref={heading} tabIndex={-1}>
            <bdi>{assignment.campaign.name}</bdi>
          </h1>
          <p>{t("work.done", { count: numDone })}</p>
        </header>
        {lease.hasEnded && (
          <div className={classes.notice}>
            <Note look="caution">{t("work.leaseEnded")}</Note>
          </div>
        )}
        {draft.hasOther && (
          <div className={classes.notice}>
            <Note>
              {t("conflict.otherKept")}{" "}
              <Button size="compact-sm" variant="default" onClick={draft.switchToOther}>
                {t("conflict.switch")}
              </Button>
            </Note>
          </div>
        )}
        {submission.problem && (
          <div className={classes.notice}>
            <ProblemNote error={submission.problem} />
          </div>
        )}
        <div className={classes.content} inert={isLocked} aria-busy={isLocked}>
          <kind.Page
            assignment={assignment}
            content={draft.content}
            change={draft.change}
            announce={setSpoken}
          />
        </div>
      </div>
      <GuidelinesPanel guidelines={assignment.campaign.guidelines} panel={panel} />
      <BottomBar
        saveState={draft.saveState}
        sending={submission.sending}
        missing={showsMissing && missing ? t(missing.key) : ""}
        isGuidelinesOpen={panel.isOpen}
        onGuidelines={panel.toggle}
        onSkip={() => setSkipping(true)}
        onSubmit={submit}
      />
      <p className="visually-hidden" role="status" aria-live="polite" data-testid="announcement">
        {spoken}
      </p>
      {isSkipping && (
        <SkipDialog
          problem={skipProblem}
          onClose={() => setSkipping(false)}
          onSkip={(reason) => void skip(reason)}
        />
      )}
      {draft.conflict && (
        <ConflictDialog
          here={kind.inWords(assignment, kind.read(assignment, draft.conflict.here), t)}
          there={kind.inWords(assignment, kind.read(assignment, draft.conflict.there.content), t)}
          thereSavedAt={draft.conflict.there.saved_at}
          onChoose={draft.settle}
        />
      )}
    </div>
  );
}
