import { Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { CampaignLinks } from "@/components/campaign-links";
import { CardTable } from "@/components/card-table";
import { Empty, ProblemNote, Waiting } from "@/components/notes";
import { Page } from "@/components/page";
import { Pager } from "@/components/pager";
import { StateBadge } from "@/components/state-badge";
import { api, bodyOf } from "@/lib/api/client";
import type { Snapshot } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { may, useMe } from "@/lib/me";
import { NewSnapshot } from "./new-snapshot";

const PAGE_SIZE = 50;
const COUNTED = ["prompts", "demonstrations", "rankings", "comparisons"] as const;

/** Every frozen view of the feedback, the newest first. */
export function SnapshotsPage() {
  const { t } = useTranslation();
  const me = useMe();
  const [isAdding, setAdding] = useState(false);
  const [offset, setOffset] = useState(0);
  const snapshots = useQuery({
    queryKey: keys.snapshotPage(offset),
    queryFn: () => bodyOf(api.GET("/api/snapshots", { params: { query: { offset, limit: PAGE_SIZE } } })),
    placeholderData: (before) => before,
    refetchInterval: (query) =>
      query.state.data?.results.some((row) => row.state === "writing") ? 1000 : 15_000,
  });
  const create = may(me, "create_snapshot") && (
    <Button leftSection={<Plus size={16} />} onClick={() => setAdding(true)}>
      {t("snapshots.new")}
    </Button>
  );
  return (
    <Page title={t("nav.snapshots")} isWide actions={snapshots.data?.count ? create : undefined}>
      {snapshots.isPending && <Waiting lines={4} />}
      <ProblemNote error={snapshots.error} retry={() => void snapshots.refetch()} />
      {snapshots.data?.count === 0 && (
        <Empty title={t("snapshots.none")} action={create}>
          {t("snapshots.noneText")}
        </Empty>
      )}
      {snapshots.data && snapshots.data.count > 0 && <SnapshotTable snapshots={snapshots.data.results} />}
      <Pager offset={offset} size={PAGE_SIZE} count={snapshots.data?.count ?? 0} onChange={setOffset} />
      {isAdding && <NewSnapshot onClose={() => setAdding(false)} />}
    </Page>
  );
}

function SnapshotTable({ snapshots }: { snapshots: Snapshot[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <CardTable
      rows={snapshots}
      keyOf={(snapshot) => snapshot.id}
      columns={[
        { head: t("snapshots.name"), cell: (snapshot) => <Name snapshot={snapshot} /> },
        {
          head: t("runs.state"),
          cell: (snapshot) => (
            <div>
              <StateBadge state={snapshot.state} />
              {snapshot.error && <Text size="sm">{snapshot.error}</Text>}
            </div>
          ),
        },
        {
          head: t("nav.campaigns"),
          cell: (snapshot) =>
            snapshot.campaigns.length > 0 && <CampaignLinks campaigns={snapshot.campaigns} />,
        },
        ...COUNTED.map((name) => ({
          head: t(`progress.num_${name}`),
          cell: (snapshot: Snapshot) => {
            const count = snapshot.counts[name];
            const heldOut = snapshot.splits[name]?.validation;
            return (
              <div>
                {count === undefined ? "—" : format.number(count)}
                {heldOut !== undefined && (
                  <Text size="xs" c="dimmed">
                    {t("snapshots.heldOut", { count: heldOut })}
                  </Text>
                )}
              </div>
            );
          },
          isNumber: true,
        })),
        { head: t("common.created"), cell: (snapshot) => format.ago(snapshot.created_at) },
      ]}
    />
  );
}

function Name({ snapshot }: { snapshot: Snapshot }) {
  const { t } = useTranslation();
  return (
    <>
      <strong style={{ fontWeight: 600 }}>{snapshot.name}</strong>
      {snapshot.manifest_sha256 && (
        <Text size="xs" c="dimmed" title={snapshot.manifest_sha256}>
          <code>{snapshot.manifest_sha256.slice(0, 12)}</code>
        </Text>
      )}
      {snapshot.parent && (
        <Text size="xs" c="dimmed">
          {t("snapshots.after", { name: snapshot.parent.name })}
        </Text>
      )}
    </>
  );
}
