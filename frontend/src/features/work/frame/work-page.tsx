import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { KeyHint } from "@/components/key-hint";
import { Empty, Note, ProblemNote, useSentence, Waiting } from "@/components/notes";
import { usePageTitle } from "@/components/page";
import type { Assignment, Campaign } from "@/lib/api/types";
import { type Entry, outbox, useOutbox } from "@/lib/drafts/outbox";
import { type Kinds, useKinds } from "@/lib/kinds";
import { campaignQuery } from "@/lib/queries";
import { usePractised } from "@/lib/use-practised";
import { Unit } from "./unit";
import { useWork } from "./use-work";
import classes from "./work-page.module.css";

const GuidelinesChanges = lazy(() =>
  import("@/components/guidelines-changes").then((m) => ({ default: m.GuidelinesChanges })),
);
const Practice = lazy(() => import("./practice").then((m) => ({ default: m.Practice })));
const TermsPage = lazy(() => import("./terms-page").then((m) => ({ default: m.TermsPage })));

/** One campaign's work, unit after unit in the same frame. */
export function WorkPage() {
  const { campaignId } = useParams();
  return <Desk key={campaignId} campaignId={Number(campaignId)} />;
}

function Desk({ campaignId }: { campaignId: number }) {
  const { t } = useTranslation();
  const kinds = useKinds();
  const campaign = useQuery(campaignQuery(campaignId));
  const work = useWork(campaignId, kinds);
  const { shown } = work;
  const outgoing = useOutbox();
  const [practised, addPractised] = usePractised();
  const name = campaign.data?.name;
  usePageTitle(
    shown.name === "working" && name ? t("work.title", { name, unit: shown.assignment.id }) : name,
  );
  // As it was on arrival: what is done here since then is counted here, at once.
  const mine = useRef(campaign.data?.mine);
  mine.current ??= campaign.data?.mine;

  const here = shown.name === "working" ? shown.assignment.id : 0;
  const ofThis = outgoing.find((entry) => entry.outgoing.assignmentId === here);
  const read = campaign.data?.mine?.guidelines_read ?? 0;
  const hasChanged = read > 0 && read < (campaign.data?.guidelines_version ?? 0);
  const [showsChanges, setShowsChanges] = useState(false);
  const [hasSeenNote, setHasSeenNote] = useState(false);
  const held = outgoing.filter((entry) => entry.state === "held").map((entry) => entry.outgoing.assignmentId);
  const { sent } = work;
  const canUndo = sent && !sent.isCorrection && canCorrect(campaign.data, kinds);
  const skipped = held.at(-1);
  const undo = skipped ? () => work.undoSkip(skipped) : canUndo ? () => work.undoSent(sent.id) : null;
  const refused = outgoing.filter((entry) => entry.state === "refused");
  const notes = (
    <>
      {hasChanged && !hasSeenNote && shown.name === "working" && (
        <Note onClose={() => setHasSeenNote(true)}>
          {t("guidelines.changed")}{" "}
          <Button size="compact-sm" variant="default" onClick={() => setShowsChanges(true)}>
            {t("guidelines.seeChanges")}
          </Button>
        </Note>
      )}
      {work.wasSurplus && <Note onClose={work.forgetSurplus}>{t("work.surplus")}</Note>}
      {refused.map((entry) => (
        <Refused
          key={entry.outgoing.assignmentId}
          entry={entry}
          isOpen={entry === ofThis}
          onOpen={work.reopen}
        />
      ))}
      {held.map((id) => (
        <Undoable key={id} sentence={t("skip.done")} onUndo={() => work.undoSkip(id)} />
      ))}
      {sent && (
        <Undoable
          key={`sent ${sent.id}`}
          sentence={t(sent.isCorrection ? "work.correctionSent" : "work.sent")}
          onUndo={canUndo ? () => work.undoSent(sent.id) : null}
          onClose={work.forgetSent}
        />
      )}
    </>
  );
  if (shown.name === "working" && isNewTo(practised, shown.assignment)) {
    const { kind } = shown.assignment.campaign;
    return (
      <Suspense fallback={null}>
        <Practice
          kind={shown.kind}
          name={kind}
          onward={t("practice.begin")}
          onDone={() => addPractised(kind)}
        />
      </Suspense>
    );
  }
  return (
    <>
      {showsChanges && (
        <Suspense fallback={null}>
          <GuidelinesChanges campaignId={campaignId} onClose={() => setShowsChanges(false)} />
        </Suspense>
      )}
      {shown.name === "working" ? (
        <Unit
          key={`${here}.${shown.visit}`}
          assignment={shown.assignment}
          kind={shown.kind}
          isBegun={shown.isBegun}
          isSent={ofThis !== undefined && ofThis.state !== "refused"}
          numDone={(mine.current?.num_submitted ?? 0) + work.numDone}
          numLeft={mine.current ? Math.max(0, mine.current.num_left - work.numDone) : null}
          numToSend={outgoing.filter((entry) => entry.state === "waiting").length}
          notes={notes}
          onUndo={undo}
          onLeave={shown.hasAside ? work.findNext : null}
          onSubmit={work.submit}
          onSkip={work.skip}
          onGone={work.findNext}
          onRenewed={work.extendAhead}
        />
      ) : (
        <div className={classes.alone}>
          <div className={classes.notes} aria-live="polite">
            {notes}
          </div>
          {shown.name === "looking" && <Waiting lines={6} />}
          {shown.name === "trouble" && <ProblemNote error={shown.error} retry={work.lookAgain} />}
          {shown.name === "terms" && (
            <Suspense fallback={<Waiting lines={6} />}>
              <TermsPage campaignId={campaignId} name={name} onAgreed={work.lookAgain} />
            </Suspense>
          )}
          {shown.name === "corrected" && (
            <Empty isPage title={t("correction.done")} action={<Actions onGoOn={work.lookAgain} />}>
              {t("correction.kept")}
            </Empty>
          )}
          {shown.name === "none" && (
            <Empty
              isPage
              title={work.numDone > 0 ? t("work.noneAfter", { count: work.numDone }) : t("work.none")}
              action={<Actions onGoOn={work.lookAgain} />}
            >
              {shown.message}
            </Empty>
          )}
        </div>
      )}
    </>
  );
}

/** Whether this is the first unit of its kind: nothing is written yet, and its practice was not offered. */
const isNewTo = (practised: string[], { campaign, draft, submitted }: Assignment) =>
  !practised.includes(campaign.kind) && !draft && !submitted;

/** Whether what has just been submitted can be opened again for a correction; a review cannot. */
const canCorrect = (campaign: Campaign | undefined, kinds: Kinds) =>
  campaign !== undefined &&
  kinds[campaign.kind].settings.includes("correction") &&
  campaign.correction_hours > 0;

interface UndoableProps {
  sentence: string;
  onUndo: (() => void) | null;
  onClose?: () => void;
}

/** Said for some seconds, with the way back. */
function Undoable({ sentence, onUndo, onClose }: UndoableProps) {
  const { t } = useTranslation();
  return (
    <Note look="success" onClose={onClose}>
      {sentence}{" "}
      {onUndo && (
        <Button size="compact-sm" variant="default" aria-keyshortcuts="Control+Z Meta+Z" onClick={onUndo}>
          {t("skip.undo")}
          <KeyHint keys="mod+z" />
        </Button>
      )}
    </Note>
  );
}

/** Where to go when there is no unit on the desk. */
function Actions({ onGoOn }: { onGoOn: () => void }) {
  const { t } = useTranslation();
  return (
    <div className={classes.actions}>
      <Button variant="default" onClick={onGoOn}>
        {t("work.lookAgain")}
      </Button>
      <Button component={Link} to="/">
        {t("work.home")}
      </Button>
    </div>
  );
}

interface RefusedProps {
  entry: Entry;
  /** It is the unit on the page. */
  isOpen: boolean;
  onOpen: (id: number) => void;
}

/** A unit that the server did not take: why, and the way back to it. Its words are still in its draft. */
function Refused({ entry, isOpen, onOpen }: RefusedProps) {
  const { t } = useTranslation();
  const { assignmentId } = entry.outgoing;
  const why = useSentence(entry.problem);
  return (
    <Note look="danger" onClose={() => outbox.takeBack(assignmentId)}>
      {t(isOpen ? "work.refusedHere" : "work.refused", { why })}{" "}
      {!isOpen && (
        <Button size="compact-sm" variant="default" onClick={() => onOpen(assignmentId)}>
          {t("work.openAgain")}
        </Button>
      )}
    </Note>
  );
}
