import { Button, Group, NativeSelect, Stack, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { Empty, Note, ProblemNote, Waiting } from "@/components/notes";
import { Page } from "@/components/page";
import { Pager } from "@/components/pager";
import { StateBadge } from "@/components/state-badge";
import type { RunKind, RunState } from "@/lib/api/types";
import { may, useMe } from "@/lib/me";
import { modelServerQuery, PAGE_SIZE, RUN_KINDS, RUN_STATES, type RunFilter, runsQuery } from "./api";
import { RunTable } from "./run-table";
import { StartRun } from "./start-run";

interface RunsPageProps {
  rounds: ReactNode;
  schedules: ReactNode;
  startRound: ReactNode;
}

/** What is being learned: rounds of the loop, single runs, and what starts by itself. */
export function RunsPage({ rounds, schedules, startRound }: RunsPageProps) {
  const { t } = useTranslation();
  const me = useMe();
  const [isStarting, setStarting] = useState(false);
  return (
    <Page
      title={t("nav.runs")}
      note={<ServerState />}
      isWide
      actions={
        may(me, "create_run") && (
          <>
            <Button variant="default" leftSection={<Plus size={16} />} onClick={() => setStarting(true)}>
              {t("runs.start")}
            </Button>
            {startRound}
          </>
        )
      }
    >
      <Stack gap={48}>
        {!may(me, "create_run") && <Note>{t("runs.readOnly")}</Note>}
        {rounds}
        <Runs />
        {schedules}
      </Stack>
      {isStarting && <StartRun onClose={() => setStarting(false)} />}
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
  return (
    <section>
      <Group justify="space-between" align="flex-end" mb="sm">
        <Title order={2}>{t("runs.title")}</Title>
        <Group gap="sm">
          <NativeSelect
            aria-label={t("runs.kind")}
            size="xs"
            value={filter.kind ?? ""}
            data={[
              { value: "", label: t("runs.anyKind") },
              ...RUN_KINDS.map((value) => ({ value, label: t(`runs.kinds.${value}`) })),
            ]}
            onChange={(event) =>
              setFilter({ ...filter, kind: (event.currentTarget.value || undefined) as RunKind, offset: 0 })
            }
          />
          <NativeSelect
            aria-label={t("runs.state")}
            size="xs"
            value={filter.state ?? ""}
            data={[
              { value: "", label: t("runs.anyState") },
              ...RUN_STATES.map((value) => ({ value, label: t(`state.${value}`) })),
            ]}
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
      <Pager
        offset={offset}
        size={PAGE_SIZE}
        count={runs.data?.count ?? 0}
        onChange={(next) => setFilter({ ...filter, offset: next })}
      />
    </section>
  );
}
