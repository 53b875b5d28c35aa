import { type ReactNode, useCallback, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Assignment } from "@/lib/api/types";
import { isTyping } from "@/lib/keyboard/keys";
import { useKeys } from "@/lib/keyboard/use-keys";
import { useMe } from "@/lib/me";
import { useTopic } from "@/lib/topic";
import type { AnyWorkKind, Written } from "@/lib/work";
import { BottomBar } from "./bottom-bar";
import { GuidelinesPanel, useGuidelinesPanel } from "./guidelines-panel";
import { HandedIn } from "./handed-in";
import { type UnitDialog, UnitDialogs } from "./unit-dialogs";
import { UnitNotes } from "./unit-notes";
import { useChecks } from "./use-checks";
import { useDraft } from "./use-draft";
import { useLease } from "./use-lease";
import { watchFoot } from "./watch-foot";
import { Where } from "./where";
import classes from "./work-page.module.css";

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
  const [dialog, setDialog] = useState<UnitDialog | null>(null);
  const [hasRemarked, setRemarked] = useState(false);
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
    setDialog(null);
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
    ...(submitted ? [] : [{ keys: "s", label: t("work.skip"), run: () => setDialog("skip") }]),
    { keys: "r", label: t("remark.title"), run: () => setDialog("remark") },
    { keys: "q", label: t("guidelines.toggle"), run: panel.toggle },
  ]);

  const work = {
    assignment,
    content: draft.content,
    change: isOver ? noChange : draft.change,
    announce: isOver ? noChange : setSpoken,
  };
  return (
    <div className={classes.frame} data-panel={panel.isOpen || undefined} data-assignment={assignment.id}>
      <div className={classes.work}>
        <Where
          assignment={assignment}
          heading={heading}
          numDone={props.numDone}
          numLeft={props.numLeft}
          minutes={minutes}
        />
        {submitted && (
          <HandedIn
            submitted={submitted}
            isOver={isOver}
            onVersions={() => setDialog("versions")}
            onLeave={props.onLeave}
          />
        )}
        {/* Disabled, all of it can still be read. */}
        <fieldset className={classes.content} disabled={isOver} inert={isSent} aria-busy={isSent}>
          <kind.Page {...work} />
        </fieldset>
      </div>
      <GuidelinesPanel
        campaign={assignment.campaign}
        reviewed={assignment.reviewed?.campaign}
        panel={panel}
      />
      <div ref={watchFoot} className={classes.foot}>
        <UnitNotes
          notes={props.notes}
          draft={draft}
          hasEnded={hasEnded}
          onRemarkSeen={hasRemarked ? () => setRemarked(false) : null}
          doubt={checks.isAsking ? checks.doubt : ""}
          onGoBack={checks.goBack}
        />
        {kind.Foot && (
          <fieldset className={classes.content} disabled={isOver} inert={isSent}>
            <kind.Foot {...work} />
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
          onSkip={() => setDialog("skip")}
          onRemark={() => setDialog("remark")}
          isAsking={checks.isAsking}
          onSubmit={submit}
        />
      </div>
      <p className="visually-hidden" role="status" aria-live="polite" data-testid="announcement">
        {spoken}
      </p>
      <UnitDialogs
        assignment={assignment}
        kind={kind}
        draft={draft}
        open={dialog}
        onClose={() => setDialog(null)}
        onSkip={skip}
        onRemarked={() => {
          setDialog(null);
          setRemarked(true);
          setSpoken(t("remark.sent"));
        }}
      />
    </div>
  );
}
