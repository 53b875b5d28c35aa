import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { Named, RunKind, Snapshot } from "@/lib/api/types";
import { campaignsQuery, NEWEST, policiesQuery, rewardModelsQuery, snapshotsQuery } from "@/lib/queries";

export type Input = "policy" | "snapshot" | "ref_policy" | "reward_model" | "campaign";

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

/** One thing that a run is given, to be chosen from a list. */
export interface RunInput {
  name: Input;
  /** The id chosen, or what is meant where nothing was; empty for nothing. */
  value: string;
  options: { value: string; label: string; disabled?: boolean }[];
  isOptional: boolean;
  /** Why there is nothing to choose. */
  missing: string | undefined;
  /** There may be older ones that the list leaves out. */
  isCut: boolean;
}

export type Chosen = Partial<Record<Input, string>>;

/** What a run of this kind is given, with what was chosen so far. */
export function useRunInputs(kind: RunKind, chosen: Chosen): RunInput[] {
  const { t } = useTranslation();
  const policies = useQuery(policiesQuery).data;
  const snapshots = useQuery(snapshotsQuery).data;
  const rewardModels = useQuery(rewardModelsQuery).data;
  const campaigns = useQuery(campaignsQuery).data;
  const ready = snapshots?.filter((snapshot) => snapshot.state === "ready") ?? [];
  const lists: Record<Input, Named[] | undefined> = {
    policy: policies,
    ref_policy: policies,
    snapshot: snapshots && ready.filter((snapshot) => heldFor(kind, snapshot) !== 0),
    reward_model: rewardModels,
    campaign: campaigns,
  };
  // Fine-tuning begins with a base model; what was trained already is rarely meant.
  const base = kind === "sft" ? policies?.find((policy) => policy.kind_of_run === "base") : undefined;

  function snapshotOptions() {
    const need = NEEDS[kind];
    return ready.map((snapshot) => {
      const held = heldFor(kind, snapshot);
      const words = need && held !== null ? ` · ${t(`runs.holds.${need}`, { count: held })}` : "";
      return { value: String(snapshot.id), label: snapshot.name + words, disabled: held === 0 };
    });
  }

  return INPUTS[kind].map((name) => {
    const list = lists[name];
    const isOptional = kind !== "evaluate" && name === "ref_policy";
    // What was chosen for another kind may hold nothing for this one.
    const isThere = list?.some(({ id }) => String(id) === chosen[name]);
    const meant = (name === "policy" && base) || list?.[0];
    const isMissing = list?.length === 0 && !isOptional;
    const isUnfit = name === "snapshot" && ready.length > 0;
    return {
      name,
      value: isThere ? String(chosen[name]) : isOptional ? "" : String(meant?.id ?? ""),
      options:
        name === "snapshot"
          ? snapshotOptions()
          : (list ?? []).map(({ id, name: label }) => ({ value: String(id), label })),
      isOptional,
      missing: isMissing ? t(isUnfit ? "runs.noneFits" : `runs.noInput.${name}`) : undefined,
      isCut: (list?.length ?? 0) >= NEWEST,
    };
  });
}
