import { Anchor, Button, Table } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { ShareBar } from "@/components/figures";
import { Empty, ProblemNote, Waiting } from "@/components/notes";
import { Page } from "@/components/page";
import { StateBadge } from "@/components/state-badge";
import type { Campaign } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { nameOfLanguage } from "@/lib/i18n";
import { holds, useMe } from "@/lib/me";
import { listCampaigns } from "./api";

/** Every campaign, for those who run them. */
export function CampaignsPage() {
  const { t } = useTranslation();
  const me = useMe();
  const campaigns = useQuery({ queryKey: ["campaigns"], queryFn: listCampaigns });
  const create = holds(me, "admin") && (
    <Button component={Link} to="/campaigns/new" leftSection={<Plus size={16} />}>
      {t("campaigns.new")}
    </Button>
  );
  return (
    <Page title={t("nav.campaigns")} actions={campaigns.data?.length ? create : undefined} isWide>
      {campaigns.isPending && <Waiting lines={4} />}
      <ProblemNote error={campaigns.error} retry={() => void campaigns.refetch()} />
      {campaigns.data?.length === 0 && (
        <Empty title={t("campaigns.none")} action={create}>
          {t("campaigns.noneText")}
        </Empty>
      )}
      {campaigns.data && campaigns.data.length > 0 && <CampaignTable campaigns={campaigns.data} />}
    </Page>
  );
}

function CampaignTable({ campaigns }: { campaigns: Campaign[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Table.ScrollContainer minWidth={640} type="native">
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("campaigns.name")}</Table.Th>
            <Table.Th>{t("campaigns.kind")}</Table.Th>
            <Table.Th>{t("campaigns.language")}</Table.Th>
            <Table.Th>{t("campaigns.status")}</Table.Th>
            <Table.Th w={220}>{t("campaigns.progress")}</Table.Th>
            <Table.Th ta="end">{t("campaigns.members")}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {campaigns.map((campaign) => {
            const { num_units, num_done } = campaign.progress;
            const words = t("home.doneOf", { done: format.number(num_done), count: num_units });
            return (
              <Table.Tr key={campaign.id}>
                <Table.Td miw={180} maw={380} style={{ overflowWrap: "anywhere" }}>
                  <Anchor component={Link} to={`/campaigns/${campaign.id}`} fw={600} size="sm">
                    <bdi>{campaign.name}</bdi>
                  </Anchor>
                </Table.Td>
                <Table.Td>{t(`kind.${campaign.kind}`)}</Table.Td>
                <Table.Td>{nameOfLanguage(campaign.language, format.language)}</Table.Td>
                <Table.Td>
                  <StateBadge state={campaign.status} />
                </Table.Td>
                <Table.Td>
                  <ShareBar share={num_units ? num_done / num_units : 0} label={words} />
                  {num_units ? words : t("home.noUnits")}
                </Table.Td>
                <Table.Td ta="end">{format.number(campaign.num_members)}</Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
