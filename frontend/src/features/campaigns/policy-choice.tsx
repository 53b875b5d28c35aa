import { ActionIcon, Button, Checkbox, Group, NativeSelect, Stack, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Form } from "@/components/form";
import { Note, ProblemNote } from "@/components/notes";
import { UnsavedLine, useUnsavedForm } from "@/components/unsaved";
import type { components } from "@/lib/api/schema";
import type { Campaign } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { useKinds } from "@/lib/kinds";
import { choosePolicies, readSampling } from "./api";

type Policies = components["schemas"]["PoliciesOfCampaign"];

interface Row {
  policy: string;
  weight: string;
}

const rowsOf = (stored: Policies): Row[] =>
  stored.policies.map(({ policy_version, weight }) => ({
    policy: String(policy_version.id),
    weight: String(weight),
  }));

/** The policies chosen, with their weights; what is chosen and not saved stays on this device. */
export function PolicyChoice({ campaign, stored }: { campaign: Campaign; stored: Policies }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const form = useUnsavedForm(`campaign.${campaign.id}.policies`, { rows: rowsOf(stored) });
  const { rows } = form.fields;
  const setRows = (next: Row[]) => form.change({ rows: next });
  const [sample, setSample] = useState(false);
  const saving = useMutation({
    mutationFn: (sent: { rows: Row[]; sample: boolean }) =>
      choosePolicies(campaign.id, {
        policies: sent.rows.map(({ policy, weight }) => ({
          policy_version: Number(policy),
          weight: Number(weight),
        })),
        sample: sent.sample,
      }),
    onSuccess: (chosen, sent) => {
      form.settle({ rows: sent.rows }, { rows: rowsOf(chosen) });
      queryClient.setQueryData(keys.policiesOf(campaign.id), chosen);
      void queryClient.invalidateQueries({ queryKey: keys.promotions });
      void queryClient.invalidateQueries({ queryKey: keys.campaign(campaign.id) });
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
  const kind = useKinds()[campaign.kind];
  const isJudged = kind.does === "judges";

  const change = (place: number, changed: Partial<Row>) =>
    setRows(rows.map((row, index) => (index === place ? { ...row, ...changed } : row)));

  if (options.length === 0) return <Note>{t("samples.noPolicies")}</Note>;
  return (
    <Form onSubmit={() => saving.mutate({ rows, sample })}>
      {(reasonFor) => (
        <Stack gap="lg" maw={640} align="flex-start">
          <p style={{ margin: 0 }}>{t(`samples.about.${isJudged ? "judged" : "written"}`)}</p>
          {rows.length === 0 && <Note>{t("samples.none")}</Note>}
          {rows.map((row, index) => (
            <SharedRow
              // biome-ignore lint/suspicious/noArrayIndexKey: a row is its place, and every field of it is set from here
              key={index}
              place={index}
              row={row}
              share={total > 0 ? (Number(row.weight) || 0) / total : null}
              options={options}
              reason={reasonFor(`weight-${index}`)}
              onChange={(changed) => change(index, changed)}
              onRemove={() => setRows(rows.filter((_row, other) => other !== index))}
            />
          ))}
          {free && (
            <Button variant="default" onClick={() => setRows([...rows, { policy: free.value, weight: "1" }])}>
              {t("samples.add")}
            </Button>
          )}
          {isJudged && (
            <Checkbox
              label={t("samples.now")}
              description={t(kind.completions[1] === 2 ? "samples.nowMeet" : "samples.nowHint")}
              checked={sample}
              onChange={(event) => setSample(event.currentTarget.checked)}
            />
          )}
          <ProblemNote error={saving.error} />
          {saving.isSuccess && !form.isChanged && (
            <Saved campaign={campaign} sampled={saving.variables.sample} />
          )}
          <Group>
            <Button type="submit" loading={saving.isPending}>
              {t("common.save")}
            </Button>
            <UnsavedLine form={form} />
          </Group>
        </Stack>
      )}
    </Form>
  );
}

interface SharedRowProps {
  place: number;
  row: Row;
  /** How much of all is sampled from this one; null where nothing is. */
  share: number | null;
  options: { value: string; label: string }[];
  /** Why the weight cannot be taken as it is. */
  reason: string | undefined;
  onChange: (changed: Partial<Row>) => void;
  onRemove: () => void;
}

/** One policy with its weight, and the share that this makes. */
function SharedRow({ place, row, share, options, reason, onChange, onRemove }: SharedRowProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const removing = t("samples.remove", { number: place + 1 });
  return (
    <Group align="flex-end" gap="sm" w="100%" wrap="nowrap">
      <NativeSelect
        label={t("samples.policy", { number: place + 1 })}
        flex="1 1 12rem"
        miw={0}
        data={options}
        value={row.policy}
        onChange={(event) => onChange({ policy: event.currentTarget.value })}
      />
      <TextInput
        label={t("samples.weight")}
        name={`weight-${place}`}
        error={reason}
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
            {share === null ? "" : format.percent(share)}
          </span>
        }
        onChange={(event) => onChange({ weight: event.currentTarget.value })}
      />
      <ActionIcon
        variant="subtle"
        color="gray"
        size="lg"
        aria-label={removing}
        title={removing}
        onClick={onRemove}
      >
        <X size={16} aria-hidden="true" />
      </ActionIcon>
    </Group>
  );
}

/** That it is saved and, where sampling was asked for, which runs have begun. */
function Saved({ campaign, sampled }: { campaign: Campaign; sampled: boolean }) {
  const { t } = useTranslation();
  const runs = useQuery({
    queryKey: keys.samplingOf(campaign.id),
    queryFn: () => readSampling(campaign.id),
    enabled: sampled,
    gcTime: 0,
  });
  return (
    <Note look="success">
      {!sampled && t("common.saved")}
      {runs.data && t(runs.data.length ? "samples.savedAndBegun" : "samples.savedNothing")}
      {runs.data?.map((run) => (
        <div key={run.id}>
          <Link to={`/runs/${run.id}`}>{t("samples.run", { name: run.name })}</Link>
        </div>
      ))}
    </Note>
  );
}
