import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Empty, ProblemNote, Waiting } from "@/components/notes";
import { Page } from "@/components/page";
import type { Campaign } from "@/lib/api/types";
import { draftsOnDevice } from "@/lib/drafts/device-store";
import { keys } from "@/lib/keys";
import { may, useMe } from "@/lib/me";
import { campaignsQuery } from "@/lib/queries";
import { readOwnAgreement, readOwnWork } from "./api";
import { CampaignLine } from "./campaign-line";
import classes from "./home-page.module.css";
import { Drafts, Recent } from "./own-work";

/** What I can work on now, what I have begun, and what I have given. */
export function HomePage() {
  const { t } = useTranslation();
  const me = useMe();
  const campaigns = useQuery(campaignsQuery);
  const work = useQuery({
    queryKey: keys.ownWork,
    queryFn: () => readOwnWork(draftsOnDevice(me.id)),
    enabled: may(me, "own_work"),
  });
  const agreement = useQuery({
    queryKey: keys.ownAgreement,
    queryFn: readOwnAgreement,
    enabled: may(me, "own_agreement"),
  });
  const mine = (campaigns.data ?? [])
    .filter((campaign) => campaign.is_member)
    .sort((a, b) => Number(hasWork(b)) - Number(hasWork(a)));
  const figures = new Map(work.data?.figures.map((row) => [row.campaign, row]));
  const agreements = new Map(agreement.data?.map((row) => [row.campaign, row]));

  return (
    <Page title={t("home.title")}>
      {campaigns.isPending && <Waiting lines={4} />}
      <ProblemNote error={campaigns.error} retry={() => void campaigns.refetch()} />
      {campaigns.data && mine.length === 0 && (
        <Empty
          title={t("home.none")}
          action={
            may(me, "create_campaign") && (
              <Button component={Link} to="/campaigns" variant="default">
                {t("home.toCampaigns")}
              </Button>
            )
          }
        >
          {may(me, "create_campaign") ? t("home.noneAdmin") : t("home.noneText")}
        </Empty>
      )}
      <ul className={classes.list}>
        {mine.map((campaign) => (
          <CampaignLine
            key={campaign.id}
            campaign={campaign}
            figures={figures.get(campaign.id)}
            agreement={agreements.get(campaign.id)}
          />
        ))}
      </ul>
      <ProblemNote error={work.error} retry={() => void work.refetch()} />
      {work.data && (
        <>
          <Drafts drafts={work.data.drafts} />
          <Recent submissions={work.data.recent} />
        </>
      )}
    </Page>
  );
}

function hasWork({ status, mine }: Campaign): boolean {
  return mine !== null && status === "open" && (mine.num_left > 0 || mine.has_lease);
}
