import { Button, Group, NativeSelect, Stack, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Plus, RefreshCw } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Empty, ProblemNote, Waiting } from "@/components/notes";
import { Page } from "@/components/page";
import { StateBadge } from "@/components/state-badge";
import type { RunKind, RunState } from "@/lib/api/types";
import { may, useMe } from "@/lib/me";
import {
  modelServerQuery,
  PAGE_SIZE,
  RUN_KINDS,
  RUN_STATES,
  type RunFilter,
  roundsQuery,
  runsQuery,
} from "./api";
import { RoundCard } from "./round-card";
import { RunTable } from "./run-table";
import { Schedules } from "./schedules";
import { StartRound } from "./start-round";
import { StartRun } from "./start-run";

/** What is being learned: rounds of the loop, single runs, and what starts by itself. */
export function RunsPage() {
  const { t } = useTranslation();
  const me = useMe();
  const [opened, setOpened] = useState<"round" | "run" | null>(null);
  const rounds = useQuery(roundsQuery);
  const close = () => setOpened(null);
  return (
    <Page
      title={t("nav.runs")}
      note={<ServerState />}
      isWide
      actions={
        may(me, "create_run") && (
          <>
            <Button variant="default" leftSection={<Plus size={16} />} onClick={() => setOpened("run")}>
              {t("runs.start")}
            </Button>
            <Button leftSection={<RefreshCw size={16} />} onClick={() => setOpened("round")}>
              {t("rounds.start")}
            </Button>
          </>
        )
      }
    >
      <Stack gap={48}>
        <section>
          <Title order={2} mb="sm">
            {t("rounds.title")}
          </Title>
          {rounds.isPending && <Waiting />}
          <ProblemNote error={rounds.error} retry={() => void rounds.refetch()} />
          {rounds.data?.results.length === 0 && (
            <Empty title={t("rounds.none")}>{t("rounds.noneText")}</Empty>
          )}
          {rounds.data?.results.map((round) => (
            <RoundCard key={round.id} round={round} canCancel={may(me, "cancel_round")} />
          ))}
        </section>
        <Runs />
        <Schedules canChange={may(me, "create_schedule")} />
      </Stack>
      {opened === "round" && <StartRound onClose={close} />}
      {opened === "run" && <StartRun onClose={close} />}
    </Page>
  );
}

function ServerState() {
  const { t } = useTranslation();
  const server = useQuery(modelServerQuery);
  if (!server.data) return null;
  const { state, policy_version, loading, detail } = server.data;
  return (
    <Group gap="xs" component="span" title={detail}>
      {t("runs.modelServer")} <StateBadge state={state} />
      {policy_version && <bdi>{policy_version.name}</bdi>}
      {loading && loading.id !== policy_version?.id && t("runs.isLoaded", { policy: loading.name })}
    </Group>
  );
}

function Runs() {
  const { t } = useTranslation();
  const [filter, setFilter] = useState<RunFilter>({});
  const runs = useQuery(runsQuery(filter));
  const offset = filter.offset ?? 0;
  const isFiltered = Boolean(filter.kind || filter.state);
  const any = { value: "", label: t("runs.any") };
  return (
    <section>
      <Group justify="space-between" align="flex-end" mb="sm">
        <Title order={2}>{t("runs.title")}</Title>
        <Group gap="sm">
          <NativeSelect
            aria-label={t("runs.kind")}
            size="xs"
            value={filter.kind ?? ""}
            data={[any, ...RUN_KINDS.map((value) => ({ value, label: t(`runs.kinds.${value}`) }))]}
            onChange={(event) =>
              setFilter({ ...filter, kind: (event.currentTarget.value || undefined) as RunKind, offset: 0 })
            }
          />
          <NativeSelect
            aria-label={t("runs.state")}
            size="xs"
            value={filter.state ?? ""}
            data={[any, ...RUN_STATES.map((value) => ({ value, label: t(`state.${value}`) }))]}
            onChange={(event) =>
              setFilter({ ...filter, state: (event.currentTarget.value || undefined) as RunState, offset: 0 })
            }
          />
        </Group>
      </Group>
      {runs.isPending && <Waiting />}
      <ProblemNote error={runs.error} retry={() => void runs.refetch()} />
      {runs.data?.results.length === 0 && (
        <Empty title={isFiltered ? t("runs.noneLikeThis") : t("runs.none")}>
          {!isFiltered && t("runs.noneText")}
        </Empty>
      )}
      {runs.data && runs.data.results.length > 0 && <RunTable runs={runs.data.results} />}
      {runs.data && runs.data.count > PAGE_SIZE && (
        <Group mt="md">
          <Button
            variant="default"
            size="xs"
            disabled={offset === 0}
            onClick={() => setFilter({ ...filter, offset: Math.max(0, offset - PAGE_SIZE) })}
          >
            {t("common.newer")}
          </Button>
          <Button
            variant="default"
            size="xs"
            disabled={!runs.data.next}
            onClick={() => setFilter({ ...filter, offset: offset + PAGE_SIZE })}
          >
            {t("common.older")}
          </Button>
        </Group>
      )}
    </section>
  );
}
