import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { Empty, Note, ProblemNote, Waiting } from "@/components/notes";
import { usePageTitle } from "@/components/page";
import type { Assignment } from "@/lib/api/types";
import { useMe } from "@/lib/me";
import type { AnyWorkKind, WorkKinds } from "@/lib/work";
import { readCampaign, type Submitted, takeNext } from "./api";
import { sendKept } from "./outbox";
import { Unit } from "./unit";
import classes from "./work-page.module.css";

type Phase =
  | { name: "looking" }
  | { name: "none"; message: string }
  | { name: "trouble"; error: unknown }
  | { name: "working"; assignment: Assignment; kind: AnyWorkKind };

/** One campaign's work, unit after unit in the same frame. */
export function WorkPage({ kinds }: { kinds: WorkKinds }) {
  const { t } = useTranslation();
  const me = useMe();
  const campaignId = Number(useParams().campaignId);
  const queryClient = useQueryClient();
  const campaign = useQuery({ queryKey: ["campaign", campaignId], queryFn: () => readCampaign(campaignId) });
  const [phase, setPhase] = useState<Phase>({ name: "looking" });
  const [numDone, setNumDone] = useState(0);
  const [wasSurplus, setWasSurplus] = useState(false);
  const name = campaign.data?.name;
  usePageTitle(
    phase.name === "working" && name ? t("work.title", { name, unit: phase.assignment.id }) : name,
  );

  const advance = useCallback(async () => {
    try {
      await sendKept(me.id);
      const next = await takeNext(campaignId);
      if (!next.assignment) {
        setPhase({ name: "none", message: next.message });
        return;
      }
      const load = kinds[next.assignment.campaign.kind];
      if (!load) throw new Error(`no page for ${next.assignment.campaign.kind}`);
      setPhase({ name: "working", assignment: next.assignment, kind: await load() });
      window.scrollTo(0, 0);
    } catch (error) {
      setPhase({ name: "trouble", error });
    }
  }, [campaignId, kinds, me.id]);

  useEffect(() => {
    setPhase({ name: "looking" });
    void advance();
  }, [advance]);

  function finished(stored: Submitted | null) {
    if (stored) setNumDone((count) => count + 1);
    setWasSurplus(stored?.is_surplus ?? false);
    void queryClient.invalidateQueries({ queryKey: ["campaigns"], refetchType: "none" });
    return advance();
  }

  if (phase.name === "working") {
    const earlier = campaign.data?.mine?.num_submitted ?? 0;
    return (
      <>
        {wasSurplus && (
          <div className={classes.surplus}>
            <Note onClose={() => setWasSurplus(false)}>{t("work.surplus")}</Note>
          </div>
        )}
        <Unit
          key={phase.assignment.id}
          assignment={phase.assignment}
          kind={phase.kind}
          numDone={earlier + numDone}
          onFinished={finished}
        />
      </>
    );
  }
  return (
    <div className={classes.alone}>
      {phase.name === "looking" && <Waiting lines={6} />}
      {phase.name === "trouble" && <ProblemNote error={phase.error} retry={() => void advance()} />}
      {phase.name === "none" && (
        <Empty
          isPage
          title={numDone > 0 ? t("work.noneAfter", { count: numDone }) : t("work.none")}
          action={
            <div className={classes.actions}>
              <Button variant="default" onClick={() => void advance()}>
                {t("work.lookAgain")}
              </Button>
              <Button component={Link} to="/">
                {t("work.home")}
              </Button>
            </div>
          }
        >
          {phase.message}
        </Empty>
      )}
    </div>
  );
}
