import { NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/lib/format";
import { NEWEST, policiesQuery } from "@/lib/queries";

/** The id of the policy chosen, or of the newest; empty where there is none. */
export function useBasePolicy(chosen: string): string {
  const policies = useQuery(policiesQuery).data ?? [];
  const isThere = policies.some(({ id }) => String(id) === chosen);
  return isThere ? chosen : String(policies[0]?.id ?? "");
}

/** The policy that a round begins with. */
export function BasePolicy({ value, onChange }: { value: string; onChange: (policy: string) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const policies = useQuery(policiesQuery).data ?? [];
  return (
    <NativeSelect
      label={t("rounds.basePolicy")}
      description={
        policies.length >= NEWEST
          ? t("common.onlyNewest", { number: format.number(NEWEST) })
          : t("rounds.basePolicyHint")
      }
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      data={policies.map(({ id, name }) => ({ value: String(id), label: name }))}
    />
  );
}
