import { NativeSelect, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import { ConfigField, configOf } from "@/components/config-field";
import { FormDialog } from "@/components/form-dialog";
import { useUnsavedForm } from "@/components/unsaved";
import type { Named, RunKind, Snapshot } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { campaignsQuery, NEWEST, policiesQuery, rewardModelsQuery, snapshotsQuery } from "@/lib/queries";
import { createRun, RUN_KINDS } from "./api";

type Input = "policy" | "snapshot" | "ref_policy" | "reward_model" | "campaign";

/** What each kind of run is given. The reference is the policy it begins with unless another is named. */
const INPUTS: Record<RunKind, Input[]> = {
  sft: ["policy", "snapshot"],
  reward: ["policy", "snapshot"],
  ppo: ["policy", "snapshot", "reward_model", "ref_policy"],
  dpo: ["policy", "snapshot", "ref_policy"],
  kto: ["policy", "snapshot", "ref_policy"],
  rloo: ["policy", "snapshot", "reward_model", "ref_policy"],
  grpo: ["policy", "snapshot", "reward_model", "ref_policy"],
  evaluate: ["policy", "ref_policy", "snapshot", "reward_model"],
  sample: ["policy", "campaign"],
};

/** What a kind of run needs of its snapshot. */
const NEEDS: Partial<Record<RunKind, "demonstrations" | "rankings" | "prompts" | "heldOut">> = {
  sft: "demonstrations",
  reward: "rankings",
  dpo: "rankings",
  kto: "rankings",
  ppo: "prompts",
  rloo: "prompts",
  grpo: "prompts",
  evaluate: "heldOut",
};

/** How much of what a kind of run needs a snapshot holds; null where that is not known. */
function heldFor(kind: RunKind, { splits, counts }: Snapshot): number | null {
  const need = NEEDS[kind];
  if (!need) return null;
  if (need === "heldOut") return splits.prompts?.validation ?? null;
  return splits[need]?.train ?? counts[need] ?? null;
}

const NOTHING = { kind: "sft" as RunKind, chosen: {} as Partial<Record<Input, string>>, config: "" };

/** Starts a single run. */
export function StartRun({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const policies = useQuery(policiesQuery);
  const snapshots = useQuery(snapshotsQuery);
  const rewardModels = useQuery(rewardModelsQuery);
  const campaigns = useQuery(campaignsQuery);
  const form = useUnsavedForm("run.new", NOTHING);
  const { kind, chosen, config } = form.fields;
  const starting = useMutation({
    mutationFn: createRun,
    onSuccess: (run) => {
      form.discard();
      void queryClient.invalidateQueries({ queryKey: keys.runs });
      void navigate(`/runs/${run.id}`);
    },
  });
  const settings = configOf(config);
  const ready = snapshots.data?.filter((snapshot) => snapshot.state === "ready") ?? [];
  const fitting = ready.filter((snapshot) => heldFor(kind, snapshot) !== 0);
  const lists: Record<Input, Named[] | undefined> = {
    policy: policies.data,
    ref_policy: policies.data,
    snapshot: snapshots.data && fitting,
    reward_model: rewardModels.data,
    campaign: campaigns.data,
  };
  const isOptional = (input: Input) => kind !== "evaluate" && input === "ref_policy";
  const chosenOf = (input: Input) => {
    // What was chosen for another kind may hold nothing for this one.
    const isThere = lists[input]?.some(({ id }) => String(id) === chosen[input]);
    if (isThere) return String(chosen[input]);
    // Fine-tuning begins with a base model; what was trained already is rarely meant.
    const isBegun = kind === "sft" && input === "policy";
    const base = isBegun ? policies.data?.find((policy) => policy.kind_of_run === "base") : undefined;
    return isOptional(input) ? "" : String((base ?? lists[input]?.[0])?.id ?? "");
  };
  const optionsOf = (input: Input) => {
    if (input !== "snapshot")
      return (lists[input] ?? []).map(({ id, name }) => ({ value: String(id), label: name }));
    const need = NEEDS[kind];
    return ready.map((snapshot) => {
      const held = heldFor(kind, snapshot);
      const words = need && held !== null ? ` · ${t(`runs.holds.${need}`, { count: held })}` : "";
      return { value: String(snapshot.id), label: snapshot.name + words, disabled: held === 0 };
    });
  };
  const missing = (input: Input) => {
    if (!lists[input] || lists[input].length || isOptional(input)) return undefined;
    return t(input === "snapshot" && ready.length ? "runs.noneFits" : `runs.noInput.${input}`);
  };
  const isComplete = INPUTS[kind].every((input) => isOptional(input) || chosenOf(input));

  function submit() {
    if (!settings) return;
    const inputs = INPUTS[kind].map((input) => [input, Number(chosenOf(input)) || null]);
    starting.mutate({ kind, config: settings, policy: 0, ...Object.fromEntries(inputs) });
  }

  return (
    <FormDialog
      title={t("runs.start")}
      form={form}
      verb={t("runs.start")}
      isIncomplete={!isComplete || !settings}
      sending={starting}
      onSubmit={submit}
      onClose={onClose}
    >
      {() => (
        <>
          <NativeSelect
            label={t("runs.kind")}
            value={kind}
            data={RUN_KINDS.map((value) => ({ value, label: t(`runs.kinds.${value}`) }))}
            onChange={(event) => form.change({ kind: event.currentTarget.value as RunKind })}
          />
          <Text size="sm" c="dimmed">
            {t(`runs.what.${kind}`)}
          </Text>
          {INPUTS[kind].map((input) => (
            <NativeSelect
              key={input}
              label={t(`runs.input.${input}`)}
              description={
                (lists[input]?.length ?? 0) >= NEWEST
                  ? t("common.onlyNewest", { number: format.number(NEWEST) })
                  : undefined
              }
              error={missing(input)}
              value={chosenOf(input)}
              onChange={(event) => form.change({ chosen: { ...chosen, [input]: event.currentTarget.value } })}
              data={[
                ...(isOptional(input) ? [{ value: "", label: t("runs.sameAsPolicy") }] : []),
                ...optionsOf(input),
              ]}
            />
          ))}
          <ConfigField
            text={config}
            onChange={(text) => form.change({ config: text })}
            placeholder='{"learning_rate": 2e-5}'
          />
        </>
      )}
    </FormDialog>
  );
}
