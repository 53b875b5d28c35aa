import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useRef } from "react";
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
  const refused = outgoing.filter((entry) => entry.state === "refused");
  return (
    <>
      <div className={classes.notes}>
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
      {shown.name === "working" ? (
        <Unit
          key={`${here}.${shown.visit}`}
          assignment={shown.assignment}
          kind={shown.kind}
          isBegun={shown.isBegun}
          isSent={ofThis !== undefined && ofThis.state !== "refused"}
          numDone={(mine.current?.num_submitted ?? 0) + work.numDone}
          numLeft={null}
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
          {shown.name === "none" && (
            <Empty
              isPage
              title={work.numDone > 0 ? t("work.noneAfter", { count: work.numDone }) : t("work.none")}
              action={
                <div className={classes.actions}>
                  <Button variant="default" onClick={work.lookAgain}>
                    {t("work.lookAgain")}
                  </Button>
                  <Button component={Link} to="/">
                    {t("work.home")}
                  </Button>
                </div>
              }
            >
              {shown.message}
            </Empty>
          )}
        </div>
      )}
    </>
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
