import { Button, Stack, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { Facts } from "@/components/facts";
import { Headline, MetricFigures } from "@/components/figures/metrics";
import { Empty, ProblemNote, Waiting } from "@/components/notes";
import { Page } from "@/components/page";
import { Promotions } from "@/components/promotions";
import type { Evaluation, PolicyVersionDetail } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { may, useMe } from "@/lib/me";
import { AgainstOthers } from "./against-others";
import { Ancestry } from "./ancestry";
import { policyQuery } from "./api";
import classes from "./policies.module.css";
import { Promotion } from "./promotion";
import { WinRate } from "./win-rate";

/** One policy version: its evaluations, its numbers, where it came from, where it is used. */
export function PolicyPage() {
  const { t } = useTranslation();
  const id = Number(useParams().policyId);
  const mayPromote = may(useMe(), "promote");
  const [isPromoting, setPromoting] = useState(false);
  const policy = useQuery(policyQuery(id));
  if (!policy.data) {
    return (
      <Page title={t("policies.title")}>
        {policy.isPending && <Waiting lines={5} />}
        <ProblemNote error={policy.error} retry={() => void policy.refetch()} />
      </Page>
    );
  }
  const { data } = policy;
  return (
    <Page
      title={data.name}
      note={<Use policy={data} />}
      actions={mayPromote && <Button onClick={() => setPromoting(true)}>{t("promotion.title")}</Button>}
      isWide
    >
      <div className={classes.columns}>
        <Stack gap={40}>
          <section>
            <Title order={2} mb="md">
              {t("policies.evaluations")}
            </Title>
            {data.evaluations.length === 0 && (
              <Empty title={t("policies.notEvaluated")}>{t("policies.notEvaluatedText")}</Empty>
            )}
            {data.evaluations.map((evaluation) => (
              <EvaluationPart key={evaluation.id} evaluation={evaluation} />
            ))}
          </section>
          <AgainstOthers policyId={id} />
          <Promotions title={t("promotions.title")} of={{ policy_version: id }} />
          <section>
            <Title order={2} mb="md">
              {t("policies.metrics")}
            </Title>
            <Headline metrics={data.metrics} />
            <details className={classes.all}>
              <summary className={classes.quiet}>{t("policies.allNumbers")}</summary>
              <MetricFigures metrics={data.metrics} heading="h3" />
            </details>
          </section>
        </Stack>
        <section>
          <Title order={2} mb="md">
            {t("ancestry.title")}
          </Title>
          <Ancestry steps={data.ancestry} />
          <Facts facts={[[t("policies.path"), <code key="path">{data.path}</code>]]} />
        </section>
      </div>
      {isPromoting && <Promotion policy={data} onClose={() => setPromoting(false)} />}
    </Page>
  );
}

function Use({ policy }: { policy: PolicyVersionDetail }) {
  const { t } = useTranslation();
  const format = useFormat();
  const list = new Intl.ListFormat(format.language, { type: "conjunction" });
  if (!policy.campaigns.length) return <>{t("policies.unused")}</>;
  const campaigns = list.format(policy.campaigns.map((campaign) => campaign.name));
  return (
    <>
      {t("policies.usedIn", { campaigns })}
      {policy.promoted_at && policy.promoted_by && (
        <> · {t("policies.promotedBy", { name: policy.promoted_by, when: format.ago(policy.promoted_at) })}</>
      )}
    </>
  );
}

function EvaluationPart({ evaluation }: { evaluation: Evaluation }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <article className={classes.evaluation}>
      <WinRate evaluation={evaluation} />
      <p className={classes.quiet}>
        {t("policies.judgedBy", {
          model: evaluation.reward_model.name,
          when: format.date(evaluation.created_at),
        })}
      </p>
      <details>
        <summary className={classes.quiet}>{t("policies.allNumbers")}</summary>
        <div style={{ paddingTop: "1rem" }}>
          <MetricFigures metrics={evaluation.metrics} heading="h3" />
        </div>
      </details>
      <Link to={`/policies/${evaluation.reference.id}`} className={classes.quiet}>
        {t("policies.toReference", { name: evaluation.reference.name })}
      </Link>
    </article>
  );
}
