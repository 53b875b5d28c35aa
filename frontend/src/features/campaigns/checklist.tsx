import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Circle, CircleCheck } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Confirm } from "@/components/confirm";
import { Note, ProblemNote } from "@/components/notes";
import type { CampaignDetail, Progress } from "@/lib/api/types";
import { keys } from "@/lib/keys";
import { useKinds } from "@/lib/kinds";
import { campaignQuery, termsQuery } from "@/lib/queries";
import { changeCampaign } from "./api";
import classes from "./checklist.module.css";
import { type Entry, entriesOf, isNew } from "./checklist-entries";

/** What a new campaign has and still needs, each with the way to it; opens it when nothing is missing, or all the same. */
export function Checklist({ campaign, progress }: { campaign: CampaignDetail; progress: Progress }) {
  const { t } = useTranslation();
  const kind = useKinds()[campaign.kind];
  const queryClient = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const terms = useQuery({ ...termsQuery(campaign.id), enabled: isNew(campaign) });
  const opening = useMutation({
    mutationFn: () => changeCampaign(campaign.id, { status: "open" }),
    onSuccess: (changed) => {
      setAsking(false);
      queryClient.setQueryData(campaignQuery(campaign.id).queryKey, changed);
      void queryClient.invalidateQueries({ queryKey: keys.campaigns });
    },
  });
  if (opening.isSuccess && campaign.status === "open")
    return <Note look="success">{t("checklist.opened")}</Note>;
  if (!isNew(campaign)) return null;

  const entries = entriesOf(campaign, kind, progress, terms.data?.text ?? "");
  const missing = entries.filter(({ isDone, isNeeded }) => isNeeded && !isDone);
  return (
    <section className={classes.checklist} aria-labelledby="checklist">
      <h2 id="checklist">{t("checklist.title")}</h2>
      <p className={classes.text}>
        {missing.length ? t("checklist.missing", { count: missing.length }) : t("checklist.ready")}
      </p>
      <ul className={classes.entries}>
        {entries.map((entry) => (
          <Line key={entry.what} campaign={campaign.id} entry={entry} isNext={entry === missing[0]} />
        ))}
      </ul>
      {!isAsking && <ProblemNote error={opening.error} />}
      {missing.length ? (
        <Button variant="default" onClick={() => setAsking(true)}>
          {t("checklist.openAnyway")}
        </Button>
      ) : (
        <Button loading={opening.isPending} onClick={() => opening.mutate()}>
          {t("checklist.open")}
        </Button>
      )}
      {isAsking && (
        <Confirm
          title={t("checklist.openAnyway")}
          text={t("checklist.question", {
            what: missing.map(({ what }) => t(`checklist.${what}.name`)).join(", "),
          })}
          verb={t("checklist.open")}
          isPending={opening.isPending}
          error={opening.error}
          onConfirm={() => opening.mutate()}
          onClose={() => setAsking(false)}
        />
      )}
    </section>
  );
}

function Line({ campaign, entry, isNext }: { campaign: number; entry: Entry; isNext: boolean }) {
  const { t } = useTranslation();
  const { what, tab, isDone, isNeeded } = entry;
  const state = isDone ? "done" : isNext ? "next" : isNeeded ? "needed" : "optional";
  const Icon = isDone ? CircleCheck : Circle;
  return (
    <li data-done={isDone || undefined} data-next={isNext || undefined}>
      <Icon size={20} aria-hidden="true" />
      <div>
        <Link to={`/campaigns/${campaign}/${tab}`}>{t(`checklist.${what}.name`)}</Link>{" "}
        <span className={classes.text}>({t(`checklist.state.${state}`)})</span>
        {!isDone && <p>{t(`checklist.${what}.hint`)}</p>}
      </div>
    </li>
  );
}
