import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { Empty, Note, ProblemNote, useSentence, Waiting } from "@/components/notes";
import { usePageTitle } from "@/components/page";
import { type Entry, outbox, useOutbox } from "@/lib/drafts/outbox";
import type { WorkKinds } from "@/lib/work";
import { readCampaign } from "./api";
import { Unit } from "./unit";
import { useWork } from "./use-work";
import classes from "./work-page.module.css";

const GuidelinesChanges = lazy(() =>
  import("@/components/guidelines-changes").then((m) => ({ default: m.GuidelinesChanges })),
);
const TermsPage = lazy(() => import("./terms-page").then((m) => ({ default: m.TermsPage })));

/** One campaign's work, unit after unit in the same frame. */
export function WorkPage({ kinds }: { kinds: WorkKinds }) {
  const { campaignId } = useParams();
  return <Desk key={campaignId} campaignId={Number(campaignId)} kinds={kinds} />;
}

function Desk({ campaignId, kinds }: { campaignId: number; kinds: WorkKinds }) {
  const { t } = useTranslation();
  const campaign = useQuery({ queryKey: ["campaign", campaignId], queryFn: () => readCampaign(campaignId) });
  const work = useWork(campaignId, kinds);
  const { shown } = work;
  const outgoing = useOutbox();
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
  const hasChanged = read > 0 && read < (campaign.data?.guidelines?.version ?? 0);
  const [showsChanges, setShowsChanges] = useState(false);
  const refused = outgoing.filter((entry) => entry.state === "refused");
  return (
    <>
      <div className={classes.notes}>
        {hasChanged && shown.name === "working" && (
          <Note>
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
        {outgoing
          .filter((entry) => entry.state === "held")
          .map(({ outgoing: { assignmentId } }) => (
            <Note key={assignmentId}>
              {t("skip.done")}{" "}
              <Button size="compact-sm" variant="default" onClick={() => work.undoSkip(assignmentId)}>
                {t("skip.undo")}
              </Button>
            </Note>
          ))}
      </div>
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
          onSubmit={work.submit}
          onSkip={work.skip}
          onGone={work.findNext}
          onRenewed={work.extendAhead}
        />
      ) : (
        <div className={classes.alone}>
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
