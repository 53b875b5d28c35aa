import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { CampaignLinks } from "@/components/campaign-links";
import { CardTable } from "@/components/card-table";
import { useMetricValue } from "@/components/figures/metrics";
import { Empty, Note, ProblemNote, Waiting } from "@/components/notes";
import { Page } from "@/components/page";
import { Pager } from "@/components/pager";
import type { PolicyVersion } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { may, useMe } from "@/lib/me";
import { PAGE_SIZE, policyPageQuery } from "./api";
import { latest, verdictOf } from "./gate";
import classes from "./policies.module.css";
import { Register } from "./register";

/** Every policy version: where it came from, how it did, and where it is used. */
export function PoliciesPage() {
  const { t } = useTranslation();
  const me = useMe();
  const [isAdding, setAdding] = useState(false);
  const [offset, setOffset] = useState(0);
  const policies = useQuery(policyPageQuery(offset));
  const register = may(me, "register_policy_version") && (
    <Button variant="default" leftSection={<Plus size={16} />} onClick={() => setAdding(true)}>
      {t("policies.register")}
    </Button>
  );
  return (
    <Page title={t("policies.title")} isWide actions={policies.data?.count ? register : undefined}>
      {!register && <Note>{t("policies.readOnly")}</Note>}
      {policies.isPending && <Waiting lines={4} />}
      <ProblemNote error={policies.error} retry={() => void policies.refetch()} />
      {policies.data?.count === 0 && (
        <Empty title={t("policies.none")} action={register}>
          {t("policies.noneText")}
        </Empty>
      )}
      {policies.data && policies.data.count > 0 && <PolicyTable policies={policies.data.results} />}
      <Pager offset={offset} size={PAGE_SIZE} count={policies.data?.count ?? 0} onChange={setOffset} />
      {isAdding && <Register onClose={() => setAdding(false)} />}
    </Page>
  );
}

function PolicyTable({ policies }: { policies: PolicyVersion[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <CardTable
      rows={policies}
      keyOf={(policy) => policy.id}
      columns={[
        {
          head: t("policies.name"),
          cell: (policy) => (
            <>
              <Link to={`/policies/${policy.id}`} className={classes.name}>
                {policy.name}
              </Link>
              {policy.is_served && <p className={classes.quiet}>{t("policies.served")}</p>}
            </>
          ),
        },
        { head: t("policies.from"), cell: (policy) => <Origin policy={policy} /> },
        { head: t("policies.evaluation"), cell: (policy) => <Verdict policy={policy} /> },
        {
          head: t("policies.usedBy"),
          cell: (policy) => policy.campaigns.length > 0 && <CampaignLinks campaigns={policy.campaigns} />,
        },
        { head: t("common.created"), cell: (policy) => format.ago(policy.created_at) },
      ]}
    />
  );
}

function Origin({ policy }: { policy: PolicyVersion }) {
  const { t, i18n } = useTranslation();
  const key = `runs.kinds.${policy.kind_of_run}`;
  if (!policy.parent) return <>{t("policies.base")}</>;
  return (
    <>
      {i18n.exists(key) ? t(key as "runs.kinds.sft") : policy.kind_of_run}
      <p className={classes.quiet}>{t("policies.onTopOf", { name: policy.parent.name })}</p>
    </>
  );
}

function Verdict({ policy }: { policy: PolicyVersion }) {
  const { t } = useTranslation();
  const format = useFormat();
  const shownAs = useMetricValue();
  const evaluation = latest(policy.evaluations);
  if (!evaluation) return <span className={classes.quiet}>{t("policies.notEvaluated")}</span>;
  const { winRate, low, high, passed } = verdictOf(evaluation);
  return (
    <>
      {passed ? t("gate.didPass") : t("gate.didNotPass")}
      {winRate !== null && low !== null && high !== null && (
        <p className={classes.quiet}>
          {t("gate.short", {
            rate: shownAs("win_rate", winRate),
            low: format.percent(low),
            high: format.percent(high),
          })}
        </p>
      )}
    </>
  );
}
