import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { CardTable } from "@/components/card-table";
import { ShareBar } from "@/components/figures/figures";
import { DecidingFigure } from "@/components/figures/metrics";
import { StateBadge } from "@/components/state-badge";
import type { Run } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import classes from "./runs.module.css";

export function RunTable({ runs }: { runs: Run[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <CardTable
      rows={runs}
      keyOf={(run) => run.id}
      columns={[
        {
          head: t("runs.name"),
          cell: (run) => (
            <>
              <Link to={`/runs/${run.id}`} className={classes.name}>
                {run.name}
              </Link>
              <p className={classes.quiet}>{t(`runs.kinds.${run.kind}`)}</p>
            </>
          ),
        },
        { head: t("runs.state"), cell: (run) => <StateBadge state={run.state} /> },
        {
          head: t("runs.cameTo"),
          cell: (run) =>
            run.state === "succeeded" ? (
              <DecidingFigure metrics={run.metrics} />
            ) : (
              run.total_steps > 0 && <RunProgress run={run} />
            ),
        },
        {
          head: t("runs.policy"),
          cell: (run) => run.policy && <Link to={`/policies/${run.policy.id}`}>{run.policy.name}</Link>,
        },
        { head: t("runs.made"), cell: (run) => madeBy(run) && <Made run={run} /> },
        { head: t("runs.started"), cell: (run) => format.ago(run.started_at ?? run.created_at) },
      ]}
    />
  );
}

/** How far a run is: a bar where it is not at its end, and words. */
export function RunProgress({ run }: { run: Run }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (!run.total_steps) return null;
  if (run.state === "succeeded") {
    const seconds =
      run.started_at && run.finished_at
        ? (Date.parse(run.finished_at) - Date.parse(run.started_at)) / 1000
        : 0;
    const parts = [
      t("runs.steps", { count: run.step }),
      seconds > 0 && t("runs.took", { time: format.lengthOfTime(seconds) }),
    ];
    return <p className={classes.quiet}>{parts.filter(Boolean).join(" · ")}</p>;
  }
  const words = t("runs.stepOf", { step: format.number(run.step), total: format.number(run.total_steps) });
  const left = run.state === "running" && run.seconds_left !== null && run.seconds_left !== undefined;
  return (
    <div className={classes.progress}>
      <ShareBar share={run.step / run.total_steps} label={words} />
      <p className={classes.quiet}>
        {words}
        {left && ` · ${t("runs.left", { time: format.lengthOfTime(run.seconds_left ?? 0) })}`}
      </p>
    </div>
  );
}

const madeBy = (run: Run) => run.output.policy_version ?? run.output.reward_model;

/** What a run registered, and which of the two it is: a run and its policy have one name. */
export function Made({ run }: { run: Run }) {
  const { t } = useTranslation();
  const { policy_version, reward_model } = run.output;
  if (policy_version) {
    const words = t("runs.madePolicy", { name: policy_version.name });
    return <Link to={`/policies/${policy_version.id}`}>{words}</Link>;
  }
  return reward_model ? <bdi>{t("runs.madeRewardModel", { name: reward_model.name })}</bdi> : null;
}
