import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { CardTable } from "@/components/card-table";
import { ShareBar } from "@/components/figures/figures";
import { Empty, ProblemNote, Waiting } from "@/components/notes";
import { Page } from "@/components/page";
import { Pager } from "@/components/pager";
import { StateBadge } from "@/components/state-badge";
import type { Campaign } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { nameOfLanguage } from "@/lib/i18n";
import { keys } from "@/lib/keys";
import { may, useMe } from "@/lib/me";
import { listCampaigns, ROWS_PER_PAGE } from "./api";
import classes from "./campaigns.module.css";

/** Every campaign, for those who run them. */
export function CampaignsPage() {
  const { t } = useTranslation();
  const me = useMe();
  const [offset, setOffset] = useState(0);
  const campaigns = useQuery({
    queryKey: keys.campaignPage(offset),
    queryFn: () => listCampaigns(offset),
    placeholderData: (before) => before,
  });
  const rows = campaigns.data?.results;
  const create = may(me, "create_campaign") && (
    <Button component={Link} to="/campaigns/new" leftSection={<Plus size={16} />}>
      {t("campaigns.new")}
    </Button>
  );
  return (
    <Page title={t("nav.campaigns")} actions={rows?.length ? create : undefined} isWide>
      {campaigns.isPending && <Waiting lines={4} />}
      <ProblemNote error={campaigns.error} retry={() => void campaigns.refetch()} />
      {rows?.length === 0 && (
        <Empty title={t("campaigns.none")} action={create}>
          {t("campaigns.noneText")}
        </Empty>
      )}
      {rows && rows.length > 0 && <CampaignTable campaigns={rows} />}
      <Pager offset={offset} size={ROWS_PER_PAGE} count={campaigns.data?.count ?? 0} onChange={setOffset} />
    </Page>
  );
}

function CampaignTable({ campaigns }: { campaigns: Campaign[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <CardTable
      rows={campaigns}
      keyOf={(campaign) => campaign.id}
      columns={[
        {
          head: t("campaigns.name"),
          cell: (campaign) => (
            <Link to={`/campaigns/${campaign.id}`} className={classes.name}>
              <bdi>{campaign.name}</bdi>
            </Link>
          ),
        },
        { head: t("campaigns.kind"), cell: (campaign) => t(`kind.${campaign.kind}`) },
        {
          head: t("campaigns.language"),
          cell: (campaign) => nameOfLanguage(campaign.language, format.language),
        },
        { head: t("campaigns.status"), cell: (campaign) => <StateBadge state={campaign.status} /> },
        { head: t("campaigns.progress"), cell: (campaign) => <Done campaign={campaign} /> },
        {
          head: t("campaigns.members"),
          cell: (campaign) => format.number(campaign.num_members),
          isNumber: true,
        },
      ]}
    />
  );
}

function Done({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { num_units, num_done } = campaign.progress;
  if (!num_units) return <>{t("home.noUnits")}</>;
  const words = t("home.doneOf", { done: format.number(num_done), count: num_units });
  return (
    <div>
      <ShareBar share={num_done / num_units} label={words} />
      {words}
    </div>
  );
}
