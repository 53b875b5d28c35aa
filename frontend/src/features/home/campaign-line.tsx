import { Button } from "@mantine/core";
import { ArrowRight } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import type { Campaign } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { nameOfLanguage } from "@/lib/i18n";
import { useKinds } from "@/lib/kinds";
import type { OwnAgreement, OwnFigures } from "./api";
import classes from "./home-page.module.css";

const GuidelinesChanges = lazy(() =>
  import("@/components/guidelines-changes").then((m) => ({ default: m.GuidelinesChanges })),
);

interface CampaignLineProps {
  campaign: Campaign;
  figures: OwnFigures | undefined;
  agreement: OwnAgreement | undefined;
}

/** One campaign: what it is, what I gave to it, how much is left for me, and the way in or why there is none. */
export function CampaignLine({ campaign, figures, agreement }: CampaignLineProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const [showsChanges, setShowsChanges] = useState(false);
  const { mine, guidelines_version: newest } = campaign;
  const reason = useReason(campaign);
  // Bar and words are both of what is mine to do.
  const numDone = mine?.num_submitted ?? 0;
  const numMine = numDone + (mine?.num_left ?? 0);
  const hasBegun = mine !== null && (mine.has_lease || numDone > 0);
  const read = mine?.guidelines_read ?? null;
  const hasChanged = newest !== null && read !== null && read > 0 && read < newest;
  const facts = [
    t(`kind.${campaign.kind}`),
    nameOfLanguage(campaign.language, format.language),
    t("home.mine", { count: mine?.num_submitted ?? 0 }),
    figures && figures.num_since > 0 && t("home.today", { count: figures.num_since }),
    typeof figures?.seconds_per_unit === "number" &&
      t("home.perUnit", { time: format.lengthOfTime(figures.seconds_per_unit) }),
  ];

  return (
    <li className={classes.line}>
      <div className={classes.words}>
        <h2>
          <bdi>{campaign.name}</bdi>
        </h2>
        <p className={classes.quiet}>{facts.filter(Boolean).join(" · ")}</p>
        {figures && agreement && <Agreement {...agreement} />}
        {hasChanged && (
          <p className={classes.changed}>
            {t("guidelines.changed")}{" "}
            <button type="button" onClick={() => setShowsChanges(true)}>
              {t("guidelines.seeChanges")}
              <span className="visually-hidden"> ({campaign.name})</span>
            </button>
          </p>
        )}
      </div>
      <div className={classes.progress}>
        <div
          className={classes.track}
          role="img"
          aria-label={t("home.doneOf", { done: format.number(numDone), count: numMine })}
        >
          <div style={{ width: `${numMine ? (100 * numDone) / numMine : 0}%` }} />
        </div>
        <p className={classes.quiet}>
          {campaign.progress.num_units === 0
            ? t("home.noUnits")
            : t("home.leftForYou", { count: mine?.num_left ?? 0 })}
        </p>
      </div>
      {reason && !mine?.has_lease ? (
        <p className={classes.reason}>{reason}</p>
      ) : (
        <Button
          component={Link}
          to={`/annotate/${campaign.id}`}
          size="md"
          rightSection={<ArrowRight size={18} className="flip-rtl" />}
          aria-label={t(hasBegun ? "home.continueIn" : "home.startIn", { name: campaign.name })}
        >
          {t(hasBegun ? "home.continue" : "home.start")}
        </Button>
      )}
      {showsChanges && (
        <Suspense fallback={null}>
          <GuidelinesChanges campaignId={campaign.id} onClose={() => setShowsChanges(false)} />
        </Suspense>
      )}
    </li>
  );
}

/** How often I order two completions as others did, or how many pairs are still needed to say so. */
function Agreement({ share, num_pairs, min_pairs }: OwnAgreement) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <p className={classes.quiet} title={t("home.agreementHint")}>
      {share === null
        ? t("home.agreementLater", { count: min_pairs - num_pairs })
        : t("home.agreement", { share: format.percent(share), count: num_pairs })}
    </p>
  );
}

/** Why there is nothing for me to do in a campaign; empty when there is something. */
function useReason({ kind, status, progress, mine }: Campaign): string {
  const { t } = useTranslation();
  const { does } = useKinds()[kind];
  if (status === "paused") return t("home.paused");
  if (status === "closed") return t("home.closed");
  if (progress.num_units === 0) return t(`home.waitsFor.${does}`);
  if (mine && mine.num_left > 0) return "";
  if (progress.num_open > 0) return t("home.othersMust", { count: progress.num_open });
  return progress.num_leased > 0 ? t("home.allLeased") : t("home.allDone");
}
