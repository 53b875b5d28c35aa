import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ArrowRight } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Empty, ProblemNote, Waiting } from "@/components/notes";
import { Page } from "@/components/page";
import type { Campaign } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { nameOfLanguage } from "@/lib/i18n";
import { holds, useMe } from "@/lib/me";
import { listCampaigns } from "./api";
import classes from "./home-page.module.css";

/** What I can work on now, how much is left, and why nothing is there when nothing is. */
export function HomePage() {
  const { t } = useTranslation();
  const me = useMe();
  const campaigns = useQuery({ queryKey: ["campaigns"], queryFn: listCampaigns });
  const mine = (campaigns.data ?? [])
    .filter((campaign) => campaign.is_member)
    .sort((a, b) => Number(hasWork(b)) - Number(hasWork(a)));

  return (
    <Page title={t("home.title")}>
      {campaigns.isPending && <Waiting lines={4} />}
      <ProblemNote error={campaigns.error} retry={() => void campaigns.refetch()} />
      {campaigns.data && mine.length === 0 && (
        <Empty
          title={t("home.none")}
          action={
            holds(me, "admin") && (
              <Button component={Link} to="/campaigns" variant="default">
                {t("home.toCampaigns")}
              </Button>
            )
          }
        >
          {holds(me, "admin") ? t("home.noneAdmin") : t("home.noneText")}
        </Empty>
      )}
      <ul className={classes.list}>
        {mine.map((campaign) => (
          <CampaignLine key={campaign.id} campaign={campaign} />
        ))}
      </ul>
    </Page>
  );
}

function hasWork({ status, progress, mine }: Campaign): boolean {
  return status === "open" && (progress.num_open > 0 || mine?.has_lease === true);
}

function CampaignLine({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { num_units, num_done, num_open } = campaign.progress;
  const reason = useReason(campaign);
  const done = num_units ? num_done / num_units : 0;
  const resumes = campaign.mine?.has_lease;

  return (
    <li className={classes.line}>
      <div className={classes.words}>
        <h2>
          <bdi>{campaign.name}</bdi>
        </h2>
        <p className={classes.quiet}>
          {t(`kind.${campaign.kind}`)} · {nameOfLanguage(campaign.language, format.language)} ·{" "}
          {t("home.mine", { count: campaign.mine?.num_submitted ?? 0 })}
        </p>
      </div>
      <div className={classes.progress}>
        <div
          className={classes.track}
          role="img"
          aria-label={t("home.doneOf", { done: format.number(num_done), count: num_units })}
        >
          <div style={{ width: `${done * 100}%` }} />
        </div>
        <p className={classes.quiet}>
          {num_units === 0
            ? t("home.noUnits")
            : num_open > 0
              ? t("home.left", { count: num_open })
              : t("home.doneOf", { done: format.number(num_done), count: num_units })}
        </p>
      </div>
      {reason && !resumes ? (
        <p className={classes.reason}>{reason}</p>
      ) : (
        <Button
          component={Link}
          to={`/annotate/${campaign.id}`}
          size="md"
          rightSection={<ArrowRight size={18} className="flip-rtl" />}
          aria-label={t(resumes ? "home.continueIn" : "home.startIn", { name: campaign.name })}
        >
          {resumes ? t("home.continue") : t("home.start")}
        </Button>
      )}
    </li>
  );
}

/** Why there is nothing to do in a campaign; empty when there is something. */
function useReason(campaign: Campaign): string {
  const { t } = useTranslation();
  if (campaign.status === "paused") return t("home.paused");
  if (campaign.status === "closed") return t("home.closed");
  if (campaign.progress.num_units === 0) return t(`home.waitsFor.${campaign.kind}`);
  if (campaign.progress.num_open > 0) return "";
  return campaign.progress.num_leased > 0 ? t("home.allLeased") : t("home.allDone");
}
