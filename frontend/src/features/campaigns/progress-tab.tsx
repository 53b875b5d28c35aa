import { Stack, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Figures, ShareBar } from "@/components/figures/figures";
import { Empty, ProblemNote, Waiting } from "@/components/notes";
import type { Campaign, CampaignDetail, Progress } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { type Kind, useKinds } from "@/lib/kinds";
import { readProgress } from "./api";
import classes from "./campaigns.module.css";
import { Checklist } from "./checklist";
import { DayBars } from "./day-bars";

export function ProgressTab({ campaign, mayOpen }: { campaign: CampaignDetail; mayOpen: boolean }) {
  const { t } = useTranslation();
  const kind = useKinds()[campaign.kind];
  const format = useFormat();
  const progress = useQuery({
    queryKey: keys.progress(campaign.id),
    queryFn: () => readProgress(campaign.id),
    refetchInterval: 15_000,
    // What was done a moment ago on another tab is ticked.
    staleTime: 0,
  });
  if (progress.isPending) return <Waiting lines={4} />;
  if (!progress.data) return <ProblemNote error={progress.error} retry={() => void progress.refetch()} />;
  const { data } = progress;
  const words = t("home.doneOf", { done: format.number(data.num_done), count: data.num_units });
  return (
    <Stack gap={48}>
      {mayOpen && <Checklist campaign={campaign} progress={data} />}
      <section>
        <ShareBar share={data.num_units ? data.num_done / data.num_units : 0} label={words} />
        <p>{words}</p>
        {kind.does !== "reviews" && data.num_prompts > data.num_units && (
          <p className={classes.hint}>{t("import.unitsHint")}</p>
        )}
        <Counts kind={kind} progress={data} />
      </section>
      {campaign.policies.length > 0 && <SamplesFrom campaign={campaign} />}
      <section>
        <Title order={2} mb="md">
          {t("progress.byDay")}
        </Title>
        {data.by_day.length ? (
          <DayBars days={data.by_day} />
        ) : (
          <Empty title={t("progress.noneYet")}>{t("progress.noneYetText")}</Empty>
        )}
      </section>
    </Stack>
  );
}

function Counts({ kind, progress }: { kind: Kind; progress: Progress }) {
  const { t } = useTranslation();
  const format = useFormat();
  const imported = progress.num_imported ? (["num_imported"] as const) : [];
  const surplus = progress.num_surplus ? (["num_surplus"] as const) : [];
  const shown = ["num_open", "num_leased", ...kind.counts, ...imported, ...surplus] as const;
  const figures = shown.map((name) => ({
    label: t(`progress.${name}`),
    value: format.number(progress[name]),
  }));
  return <Figures figures={figures} />;
}

function SamplesFrom({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const format = useFormat();
  const total = campaign.policies.reduce((sum, { weight }) => sum + weight, 0) || 1;
  return (
    <section>
      <Title order={2} mb="xs">
        {t("progress.samplesFrom")}
      </Title>
      <ul>
        {campaign.policies.map(({ policy_version, weight }) => (
          <li key={policy_version.id}>
            <Link to={`/policies/${policy_version.id}`}>{policy_version.name}</Link> (
            {format.percent(weight / total)})
          </li>
        ))}
      </ul>
    </section>
  );
}
