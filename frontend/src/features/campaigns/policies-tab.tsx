import { ActionIcon, Button, Checkbox, Group, NativeSelect, Stack, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { X } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { Note, ProblemNote, Waiting } from "@/components/notes";
import type { components } from "@/lib/api/schema";
import type { Campaign } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { makeUuid } from "@/lib/uuid";
import { choosePolicies, readPolicies } from "./api";

type Policies = components["schemas"]["PoliciesOfCampaign"];

/** Which policies a campaign samples from, and how often each. */
export function PoliciesTab({ campaign }: { campaign: Campaign }) {
  const policies = useQuery({
    queryKey: ["policies-of", campaign.id],
    queryFn: () => readPolicies(campaign.id),
    // What is being chosen is not replaced behind it.
    refetchOnWindowFocus: false,
    gcTime: 0,
  });
  if (policies.isPending) return <Waiting lines={4} />;
  if (!policies.data) return <ProblemNote error={policies.error} retry={() => void policies.refetch()} />;
  return <Choice campaign={campaign} stored={policies.data} />;
}

interface Row {
  key: string;
  policy: string;
  weight: string;
}

function Choice({ campaign, stored }: { campaign: Campaign; stored: Policies }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queryClient = useQueryClient();
  const [rows, setRows] = useState<Row[]>(() =>
    stored.policies.map(({ policy_version, weight }) => ({
      key: makeUuid(),
      policy: String(policy_version.id),
      weight: String(weight),
    })),
  );
  const [sample, setSample] = useState(false);
  const saving = useMutation({
    mutationFn: () =>
      choosePolicies(campaign.id, {
        policies: rows.map(({ policy, weight }) => ({
          policy_version: Number(policy),
          weight: Number(weight),
        })),
        sample,
      }),
    onSuccess: (chosen) => {
      queryClient.setQueryData(["policies-of", campaign.id], chosen);
      void queryClient.invalidateQueries({ queryKey: ["campaign", campaign.id] });
      setSample(false);
    },
  });
  // One that was registered long ago is still to be chosen from where it is in use.
  const named = [...stored.policies.map(({ policy_version }) => policy_version), ...stored.available];
  const options = [
    ...new Map(named.map(({ id, name }) => [id, { value: String(id), label: name }])).values(),
  ];
  const free = options.find(({ value }) => !rows.some(({ policy }) => policy === value));
  const total = rows.reduce((sum, { weight }) => sum + (Number(weight) || 0), 0);
  const isJudged = campaign.kind === "ranking" || campaign.kind === "comparison";

  const change = (key: string, changed: Partial<Row>) =>
    setRows(rows.map((row) => (row.key === key ? { ...row, ...changed } : row)));

  function submit(event: FormEvent) {
    event.preventDefault();
    saving.mutate();
  }

  if (options.length === 0) return <Note>{t("samples.noPolicies")}</Note>;
  return (
    <form onSubmit={submit}>
      <Stack gap="lg" maw={640} align="flex-start">
        <p style={{ margin: 0 }}>{t(`samples.about.${isJudged ? "judged" : "written"}`)}</p>
        {rows.length === 0 && <Note>{t("samples.none")}</Note>}
        {rows.map((row, index) => (
          <Group key={row.key} align="flex-end" gap="sm" w="100%" wrap="nowrap">
            <NativeSelect
              label={t("samples.policy", { number: index + 1 })}
              flex="1 1 12rem"
              miw={0}
              data={options}
              value={row.policy}
              onChange={(event) => change(row.key, { policy: event.currentTarget.value })}
            />
            <TextInput
              label={t("samples.weight")}
              type="number"
              min={0}
              max={1000}
              step="any"
              required
              withAsterisk={false}
              flex="0 0 6rem"
              miw={0}
              value={row.weight}
              rightSectionWidth={56}
              rightSection={
                <span aria-hidden="true" style={{ fontSize: "var(--mantine-font-size-xs)" }}>
                  {total > 0 ? format.percent((Number(row.weight) || 0) / total) : ""}
                </span>
              }
              onChange={(event) => change(row.key, { weight: event.currentTarget.value })}
            />
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={t("samples.remove", { number: index + 1 })}
              title={t("samples.remove", { number: index + 1 })}
              onClick={() => setRows(rows.filter(({ key }) => key !== row.key))}
            >
              <X size={16} aria-hidden="true" />
            </ActionIcon>
          </Group>
        ))}
        {free && (
          <Button
            variant="default"
            onClick={() => setRows([...rows, { key: makeUuid(), policy: free.value, weight: "1" }])}
          >
            {t("samples.add")}
          </Button>
        )}
        {isJudged && (
          <Checkbox
            label={t("samples.now")}
            description={t(campaign.kind === "comparison" ? "samples.nowMeet" : "samples.nowHint")}
            checked={sample}
            onChange={(event) => setSample(event.currentTarget.checked)}
          />
        )}
        <ProblemNote error={saving.error} />
        {saving.isSuccess && <Note look="success">{t("common.saved")}</Note>}
        <Button type="submit" loading={saving.isPending}>
          {t("common.save")}
        </Button>
      </Stack>
    </form>
  );
}
