import { Button, SegmentedControl } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Empty, ProblemNote, Waiting } from "@/components/notes";
import { Pager } from "@/components/pager";
import type { components } from "@/lib/api/schema";
import type { Campaign } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { may, useMe } from "@/lib/me";
import { listRemarks, REMARKS_PER_PAGE, settleRemark } from "./api";
import classes from "./campaigns.module.css";

type Remark = components["schemas"]["Remark"];

/** What annotators said of units, the newest first: those to be dealt with, or those that are. */
export function RemarksTab({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const [isSettled, setSettled] = useState(false);
  const [offset, setOffset] = useState(0);
  const remarks = useQuery({
    queryKey: keys.remarkPage(campaign.id, isSettled, offset),
    queryFn: () => listRemarks(campaign.id, isSettled, offset),
  });
  const settling = useMutation({
    mutationFn: (remark: Remark) => settleRemark(remark.id, !remark.settled_at),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: keys.remarks(campaign.id) }),
  });
  const page = remarks.data;

  function choose(settled: boolean) {
    setSettled(settled);
    setOffset(0);
  }

  return (
    <>
      <SegmentedControl
        mb="md"
        aria-label={t("remarks.which")}
        value={isSettled ? "settled" : "open"}
        onChange={(value) => choose(value === "settled")}
        data={[
          { value: "open", label: t("remarks.open") },
          { value: "settled", label: t("remarks.settled") },
        ]}
      />
      {remarks.isPending && <Waiting lines={4} />}
      <ProblemNote error={remarks.error ?? settling.error} />
      {page?.results.length === 0 && (
        <Empty title={t(isSettled ? "remarks.noneSettled" : "remarks.none")}>{t("remarks.noneText")}</Empty>
      )}
      <ul className={classes.remarks}>
        {page?.results.map((remark) => (
          <RemarkLine
            key={remark.id}
            remark={remark}
            language={campaign.language}
            onSettle={() => settling.mutate(remark)}
          />
        ))}
      </ul>
      <Pager offset={offset} size={REMARKS_PER_PAGE} count={page?.count ?? 0} onChange={setOffset} />
    </>
  );
}

interface RemarkLineProps {
  remark: Remark;
  language: string;
  onSettle: () => void;
}

function RemarkLine({ remark, language, onSettle }: RemarkLineProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const me = useMe();
  const { person, settled_by: by, settled_at: settledAt } = remark;
  const facts = [
    person && (person.name || person.username),
    format.ago(remark.created_at),
    t("home.unit", { id: remark.unit }),
    settledAt && by && t("remarks.settledBy", { name: by.name || by.username, when: format.ago(settledAt) }),
  ];
  return (
    <li>
      <div>
        <p className={classes.remarkReason}>{t(`remark.reason.${remark.reason}`)}</p>
        {remark.text && (
          <p className={classes.remarkText} dir="auto">
            {remark.text}
          </p>
        )}
        <p className={classes.remarkAsked} dir="auto" lang={language}>
          {remark.asked}
        </p>
        <p className={classes.quiet}>{facts.filter(Boolean).join(" · ")}</p>
      </div>
      {may(me, "settle_remark") && (
        <Button
          size="xs"
          variant="default"
          onClick={onSettle}
          aria-label={t(settledAt ? "remarks.reopenThis" : "remarks.settleThis", {
            reason: t(`remark.reason.${remark.reason}`),
            unit: remark.unit,
          })}
        >
          {t(settledAt ? "remarks.reopen" : "remarks.settle")}
        </Button>
      )}
    </li>
  );
}
