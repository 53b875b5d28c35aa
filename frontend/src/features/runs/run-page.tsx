import { Button, Stack, Tabs } from "@mantine/core";
import { type UseMutationResult, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { Facts } from "@/components/facts";
import { Headline, MetricFigures } from "@/components/figures/metrics";
import { Empty, Note, ProblemNote, Waiting } from "@/components/notes";
import { Page } from "@/components/page";
import { StateBadge } from "@/components/state-badge";
import type { Run } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { may, useMe } from "@/lib/me";
import { decidingOf } from "@/lib/metrics";
import { campaignQuery } from "@/lib/queries";
import { cancelRun, isUnfinished, resumeRun, runQuery } from "./api";
import { RunLog } from "./run-log";
import { RunSamples } from "./run-samples";
import { Made, RunProgress } from "./run-table";
import classes from "./runs.module.css";

const Curves = lazy(() => import("./curves").then((m) => ({ default: m.Curves })));

const TABS = ["curves", "numbers", "samples", "log", "inputs"] as const;

/** One run: where it is, its curves, what it wrote, and what it was given. */
export function RunPage() {
  const { t } = useTranslation();
  const id = Number(useParams().runId);
  const run = useQuery(runQuery(id));
  const queryClient = useQueryClient();
  const [chosen, setTab] = useState<string | null>(null);
  const keep = { onSuccess: (changed: Run) => queryClient.setQueryData(runQuery(id).queryKey, changed) };
  const cancelling = useMutation({ mutationFn: () => cancelRun(id), ...keep });
  const resuming = useMutation({ mutationFn: () => resumeRun(id), ...keep });
  if (!run.data) {
    return (
      <Page title={t("nav.runs")}>
        {run.isPending && <Waiting lines={5} />}
        <ProblemNote error={run.error} retry={() => void run.refetch()} />
      </Page>
    );
  }
  const isLive = isUnfinished(run.data.state);
  const tab = chosen ?? tabOf(run.data);
  return (
    <Page
      title={run.data.name}
      note={
        <>
          {t("runs.isRun", { kind: t(`runs.kinds.${run.data.kind}`) })} ·{" "}
          <StateBadge state={run.data.state} />
        </>
      }
      actions={<Actions run={run.data} cancelling={cancelling} resuming={resuming} />}
      isWide
    >
      <Stack gap="lg">
        {run.data.error && <Note look="danger">{run.data.error}</Note>}
        <ProblemNote error={cancelling.error ?? resuming.error} />
        <RunProgress run={run.data} />
        <Headline metrics={run.data.metrics} />
        <Tabs value={tab} onChange={setTab} keepMounted={false}>
          <Tabs.List mb="lg" className={classes.tabs}>
            {TABS.map((name) => (
              <Tabs.Tab key={name} value={name}>
                {t(`runs.tab.${name}`)}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value="curves">
            <Suspense fallback={<Waiting lines={5} />}>
              <Curves runId={id} attempt={run.data.num_attempts} isLive={isLive} />
            </Suspense>
          </Tabs.Panel>
          <Tabs.Panel value="numbers">
            {decidingOf(run.data.metrics) ? (
              <MetricFigures metrics={run.data.metrics} heading="h2" />
            ) : (
              <Empty title={t("runs.noNumbers")}>{isLive && t("runs.noNumbersYet")}</Empty>
            )}
          </Tabs.Panel>
          <Tabs.Panel value="samples">
            <RunSamples runId={id} isLive={isLive} />
          </Tabs.Panel>
          <Tabs.Panel value="log">
            <RunLog runId={id} isLive={isLive} />
          </Tabs.Panel>
          <Tabs.Panel value="inputs">
            <Inputs run={run.data} />
          </Tabs.Panel>
        </Tabs>
      </Stack>
    </Page>
  );
}

/** The tab that is open at first: of what is only measured a curve says nothing, and what failed at once has none. */
export function tabOf({ kind, state, step }: Run): (typeof TABS)[number] {
  if (state === "failed" && !step) return "log";
  return state === "succeeded" && (kind === "evaluate" || kind === "sample") ? "numbers" : "curves";
}

interface ActionsProps {
  run: Run;
  cancelling: UseMutationResult<Run, Error, void>;
  resuming: UseMutationResult<Run, Error, void>;
}

function Actions({ run, cancelling, resuming }: ActionsProps) {
  const { t } = useTranslation();
  if (!may(useMe(), "cancel_run")) return null;
  if (isUnfinished(run.state)) {
    return run.cancel_requested ? (
      <span className={classes.quiet}>{t("runs.stopping")}</span>
    ) : (
      <Button variant="default" loading={cancelling.isPending} onClick={() => cancelling.mutate()}>
        {t("common.cancelIt")}
      </Button>
    );
  }
  if (run.state === "succeeded") return null;
  return (
    // What failed by itself fails again unless something was mended; what was stopped or lost goes on.
    <Button
      variant={run.state === "failed" ? "default" : "filled"}
      loading={resuming.isPending}
      onClick={() => resuming.mutate()}
    >
      {t(run.state === "failed" ? "runs.tryAgain" : "runs.resume")}
    </Button>
  );
}

function Inputs({ run }: { run: Run }) {
  const { t } = useTranslation();
  const format = useFormat();
  const policy = (named: Run["policy"]) => named && <Link to={`/policies/${named.id}`}>{named.name}</Link>;
  const settings = Object.entries(run.config);
  const campaign = useQuery({ ...campaignQuery(run.campaign ?? 0), enabled: run.campaign !== null });
  return (
    <>
      <Facts
        facts={[
          [t("runs.input.policy"), policy(run.policy)],
          [t("runs.input.ref_policy"), policy(run.ref_policy)],
          [t("runs.input.reward_model"), run.reward_model?.name],
          [t("runs.input.snapshot"), run.snapshot?.name],
          [
            t("runs.input.campaign"),
            run.campaign && (
              <Link to={`/campaigns/${run.campaign}`}>{campaign.data?.name ?? run.campaign}</Link>
            ),
          ],
          [t("runs.made"), <Made key="made" run={run} />],
          [t("runs.startedBy"), run.triggered_by],
          [t("common.created"), format.date(run.created_at)],
          [t("runs.started"), run.started_at && format.date(run.started_at)],
          [t("runs.finished"), run.finished_at && format.date(run.finished_at)],
          [t("runs.heartbeat"), isUnfinished(run.state) && run.heartbeat_at && format.ago(run.heartbeat_at)],
          [t("runs.attempts"), run.num_attempts > 1 && format.number(run.num_attempts)],
        ]}
      />
      {settings.length > 0 && (
        <section className={classes.settings}>
          <h2>{t("runs.settings")}</h2>
          <Facts facts={settings.map(([name, value]) => [name, JSON.stringify(value)])} />
        </section>
      )}
    </>
  );
}
