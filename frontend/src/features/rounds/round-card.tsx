import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Note, ProblemNote } from "@/components/notes";
import { StateBadge } from "@/components/state-badge";
import type { Round, Stage } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { cancelRound, resumeRound } from "./api";
import classes from "./rounds.module.css";

/** One pass of the loop as a line of stages. */
export function RoundCard({ round, canCancel }: { round: Round; canCancel: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queryClient = useQueryClient();
  const cancelling = useMutation({
    mutationFn: () => cancelRound(round.id),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: keys.rounds }),
  });
  const resuming = useMutation({
    mutationFn: () => resumeRound(round.id),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: keys.rounds }),
  });
  const list = new Intl.ListFormat(format.language, { type: "conjunction" });
  return (
    <article className={classes.round} aria-label={round.name}>
      <div className={classes.roundHead}>
        <h3>{round.name}</h3>
        <StateBadge state={round.state} />
        <p className={classes.quiet}>
          {t("rounds.about", {
            campaigns: list.format(round.campaigns.map((campaign) => campaign.name)),
            policy: round.base_policy.name,
            when: format.ago(round.created_at),
          })}
        </p>
        {canCancel && round.state === "running" && (
          <Button
            size="compact-sm"
            variant="default"
            loading={cancelling.isPending}
            aria-label={t("rounds.stopThis", { name: round.name })}
            onClick={() => cancelling.mutate()}
          >
            {t("common.cancelIt")}
          </Button>
        )}
        {canCancel && (round.state === "cancelled" || round.state === "failed") && (
          <Button
            size="compact-sm"
            variant="default"
            loading={resuming.isPending}
            aria-label={t("rounds.resumeThis", { name: round.name })}
            onClick={() => resuming.mutate()}
          >
            {t("rounds.resume")}
          </Button>
        )}
      </div>
      <ol className={classes.stages}>
        {round.stages
          .filter((stage) => stage.stage !== "done")
          .map((stage) => (
            <StageStep key={stage.stage} stage={stage} />
          ))}
      </ol>
      {round.error ? (
        <Note look={round.state === "failed" ? "danger" : "caution"}>{round.error}</Note>
      ) : (
        round.outcome && <p className={classes.outcome}>{round.outcome}</p>
      )}
      <ProblemNote error={cancelling.error ?? resuming.error} />
    </article>
  );
}

function StageStep({ stage }: { stage: Stage }) {
  const { t } = useTranslation();
  const format = useFormat();
  const name = t(`rounds.stage.${stage.stage as Exclude<Stage["stage"], "done">}`);
  return (
    <li
      className={classes.stage}
      data-state={stage.state}
      aria-current={stage.state === "running" ? "step" : undefined}
    >
      <span>{stage.run ? <Link to={`/runs/${stage.run}`}>{name}</Link> : name}</span>
      <StateBadge state={stage.state} />
      {stage.state === "running" && stage.progress !== null && (
        <span className={classes.quiet}>{format.percent(stage.progress)}</span>
      )}
    </li>
  );
}
