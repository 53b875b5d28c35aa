import { Button } from "@mantine/core";
import { lazy, type ReactNode, Suspense, useCallback, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { KeyHint } from "@/components/key-hint";
import { Note } from "@/components/notes";
import type { Assignment } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { isTyping } from "@/lib/keyboard/keys";
import { useKeys } from "@/lib/keyboard/use-keys";
import { useMe } from "@/lib/me";
import { useTopic } from "@/lib/topic";
import type { AnyWorkKind, Written } from "@/lib/work";
import { BottomBar } from "./bottom-bar";
import { ConflictDialog } from "./conflict-dialog";
import { GuidelinesPanel, useGuidelinesPanel } from "./guidelines-panel";
import { RemarkDialog } from "./remark-dialog";
import { SkipDialog } from "./skip-dialog";
import { useChecks } from "./use-checks";
import { useDraft } from "./use-draft";
import { useLease } from "./use-lease";
import classes from "./work-page.module.css";

const Versions = lazy(() => import("@/components/versions").then((m) => ({ default: m.Versions })));

export type Finished = Written & { seconds_spent: number; revises: number | undefined };

interface UnitProps {
  assignment: Assignment;
  kind: AnyWorkKind;
  /** False: the server does not know yet that it is worked on. */
  isBegun: boolean;
  /** Handed in, and nothing has taken its place yet. */
  isSent: boolean;
  numDone: number;
  numLeft: number | null;
  /** How many units wait for the server to be back. */
  numToSend: number;
  /** Sentences about the work as a whole, which stand over the page and move nothing on it. */
  notes: ReactNode;
  /** Takes back what was submitted or skipped last; null when it is too late. */
  onUndo: (() => void) | null;
  /** Back to the unit that was put aside for this one. */
  onLeave: (() => void) | null;
  onSubmit: (finished: Finished) => void;
  onSkip: (reason: string) => void;
  /** It went to somebody else before a word was written. */
  onGone: () => void;
  onRenewed: (secondsLeft: number) => void;
}

const noChange = () => undefined;

/** The frame around one unit: the work in the middle, guidelines beside it, the bar below. */
export function Unit(props: UnitProps) {
  const { assignment, kind, isSent } = props;
  useTopic(assignment.campaign.kind);
  const { t } = useTranslation();
  const format = useFormat();
  const me = useMe();
  const [hasEnded, setEnded] = useState(false);
  const lease = useLease(assignment, {
    isBegun: props.isBegun,
    onRenewed: (secondsLeft) => {
      setEnded(false);
      props.onRenewed(secondsLeft);
    },
    onLost: () => (props.isBegun || draft.isTouched() ? setEnded(true) : props.onGone()),
  });
  const draft = useDraft(assignment, kind, me.id, lease.activeSeconds);
  const panel = useGuidelinesPanel();
  const [isSkipping, setSkipping] = useState(false);
  const [isRemarking, setRemarking] = useState(false);
  const [hasRemarked, setRemarked] = useState(false);
  const [showsVersions, setShowsVersions] = useState(false);
  const [spoken, setSpoken] = useState("");
  const heading = useRef<HTMLHeadingElement>(null);
  const checks = useChecks(kind, assignment, draft.content, setSpoken);
  const { submitted } = assignment;
  const [isOver] = useState(() => submitted !== null && !submitted.can_correct);
  const minutes = Math.floor((draft.earlierSeconds + lease.minutes * 60) / 60);

  useLayoutEffect(() => heading.current?.focus({ preventScroll: true }), []);

  const { onSubmit } = props;
  const submit = useCallback(() => {
    if (isSent || isOver || !checks.pass()) return;
    draft.close();
    onSubmit({
      ...kind.submission(assignment, draft.content),
      seconds_spent: draft.secondsSpent(),
      revises: submitted?.revision,
    });
  }, [isSent, isOver, checks.pass, onSubmit, assignment, kind, draft, submitted]);

  function skip(reason: string) {
    setSkipping(false);
    draft.flush();
    draft.close();
    props.onSkip(reason);
  }

  /** Back from the question, or out of a text so that single keys work. */
  function leave() {
    if (checks.isAsking) checks.goBack();
    else if (isTyping(document.activeElement)) (document.activeElement as HTMLElement).blur();
    else return false;
  }

  useKeys(t("keys.unit"), [
    // Held down, the same key does not answer the question that it has just raised.
    {
      keys: "mod+Enter",
      label: t("work.submit"),
      whileTyping: true,
      run: (event) => event.repeat || submit(),
    },
    { keys: "mod+z", label: t("work.undo"), run: () => (props.onUndo ? props.onUndo() : false) },
    { keys: "Escape", label: t("keys.leaveText"), whileTyping: true, run: leave },
    ...(submitted ? [] : [{ keys: "s", label: t("work.skip"), run: () => setSkipping(true) }]),
    { keys: "r", label: t("remark.title"), run: () => setRemarking(true) },
    { keys: "q", label: t("guidelines.toggle"), run: panel.toggle },
  ]);

  return (
    <div className={classes.frame} data-panel={panel.isOpen || undefined} data-assignment={assignment.id}>
      <div className={classes.work}>
        <header className={classes.where}>
          <h1 ref={heading} tabIndex={-1}>
            <bdi>{assignment.campaign.name}</bdi>
          </h1>
          <p>{t("work.done", { count: props.numDone })}</p>
          {props.numLeft !== null && <p>{t("home.left", { count: props.numLeft })}</p>}
          {minutes > 0 && (
            <p title={t("work.timeHint")}>{t("work.time", { time: format.lengthOfTime(minutes * 60) })}</p>
          )}
        </header>
        {submitted && (
          <div className={classes.notice}>
            <Note look={submitted.review?.verdict === "returned" ? "caution" : "note"}>
              {submitted.review
                ? t(`review.told.${submitted.review.verdict}`, { comment: submitted.review.comment })
                : t(isOver ? "correction.over" : "correction.until", {
                    when: format.date(submitted.given_at),
                    until: format.date(submitted.correct_until),
                  })}{" "}
              {submitted.revision > 1 && (
                <Button size="compact-sm" variant="default" onClick={() => setShowsVersions(true)}>
                  {t("versions.title")}
                </Button>
              )}{" "}
              {props.onLeave && (
                <Button size="compact-sm" variant="default" onClick={props.onLeave}>
                  {t("correction.leave")}
                </Button>
              )}
            </Note>
          </div>
        )}
        {/* Disabled, all of it can still be read. */}
        <fieldset className={classes.content} disabled={isOver} inert={isSent} aria-busy={isSent}>
          <kind.Page
            assignment={assignment}
            content={draft.content}
            change={isOver ? noChange : draft.change}
            announce={isOver ? noChange : setSpoken}
          />
        </fieldset>
      </div>
      <GuidelinesPanel
        campaign={assignment.campaign}
        reviewed={assignment.reviewed?.campaign}
        panel={panel}
      />
      <div className={classes.foot}>
        <div className={classes.notes} aria-live="polite">
          {props.notes}
          {hasEnded && <Note look="caution">{t("work.leaseEnded")}</Note>}
          {draft.hasOther && (
            <Note>
              {t("conflict.otherKept")}{" "}
              <Button size="compact-sm" variant="default" onClick={draft.switchToOther}>
                {t("conflict.switch")}
              </Button>
            </Note>
          )}
          {hasRemarked && (
            <Note look="success" onClose={() => setRemarked(false)}>
              {t("remark.sent")}
            </Note>
          )}
          {checks.isAsking && (
            <Note look="caution">
              {checks.doubt}{" "}
              <Button size="compact-sm" variant="default" onClick={checks.goBack}>
                {t("work.goBack")}
                <KeyHint keys="Escape" />
              </Button>
            </Note>
          )}
        </div>
        {kind.Foot && (
          <fieldset className={classes.content} disabled={isOver} inert={isSent}>
            <kind.Foot
              assignment={assignment}
              content={draft.content}
              change={isOver ? noChange : draft.change}
              announce={isOver ? noChange : setSpoken}
            />
          </fieldset>
        )}
        <BottomBar
          saveState={draft.saveState}
          isSent={isSent}
          numToSend={props.numToSend}
          missing={checks.missing}
          isGuidelinesOpen={panel.isOpen}
          onGuidelines={panel.toggle}
          work={submitted ? (isOver ? "over" : "correction") : "unit"}
          onSkip={() => setSkipping(true)}
          onRemark={() => setRemarking(true)}
          isAsking={checks.isAsking}
          onSubmit={submit}
        />
      </div>
      <p className="visually-hidden" role="status" aria-live="polite" data-testid="announcement">
        {spoken}
      </p>
      {isSkipping && <SkipDialog onClose={() => setSkipping(false)} onSkip={skip} />}
      {showsVersions && (
        <Suspense fallback={null}>
          <Versions
            assignmentId={assignment.id}
            assignment={assignment}
            kind={kind}
            isOwn
            onClose={() => setShowsVersions(false)}
          />
        </Suspense>
      )}
      {isRemarking && (
        <RemarkDialog
          assignmentId={assignment.id}
          onClose={() => setRemarking(false)}
          onSent={() => {
            setRemarking(false);
            setRemarked(true);
            setSpoken(t("remark.sent"));
          }}
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
