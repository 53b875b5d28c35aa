import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import type { Ancestor } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import classes from "./policies.module.css";

const COUNTED = ["demonstrations", "rankings", "comparisons"] as const;

/** From this policy down to the base model: each step with the run, the snapshot and the judge that made it. */
export function Ancestry({ steps }: { steps: Ancestor[] }) {
  return (
    <ol className={classes.line}>
      {steps.map((step) => (
        <Step key={step.policy_version.id} step={step} />
      ))}
    </ol>
  );
}

function Step({ step }: { step: Ancestor }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { policy_version, run, reward_model } = step;
  const counts = run?.snapshot?.counts ?? {};
  const learnt = COUNTED.flatMap((name) => {
    const count = counts[name];
    return typeof count === "number" && count > 0 ? [t(`ancestry.${name}`, { count })] : [];
  });
  return (
    <li className={classes.step}>
      <Link to={`/policies/${policy_version.id}`}>{policy_version.name}</Link>
      {run ? (
        <p className={classes.quiet}>
          <Link to={`/runs/${run.id}`}>{t(`runs.kinds.${run.kind}`)}</Link>
          {reward_model && ` · ${t("ancestry.rewardModel", { name: reward_model.name })}`}
        </p>
      ) : (
        <p className={classes.quiet}>{t("policies.base")}</p>
      )}
      {run?.snapshot && (
        <p className={classes.quiet}>
          {t("ancestry.snapshot", { name: run.snapshot.name })}
          {learnt.length > 0 && ` (${new Intl.ListFormat(format.language, { type: "unit" }).format(learnt)})`}
        </p>
      )}
    </li>
  );
}
