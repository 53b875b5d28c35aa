import { Button, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { RefreshCw } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ChooseCampaigns } from "@/components/choose-campaigns";
import { ConfigField, configOf } from "@/components/config-field";
import { FormDialog } from "@/components/form-dialog";
import { useUnsavedForm } from "@/components/unsaved";
import { keys } from "@/lib/keys";
import { createRound } from "./api";
import { BasePolicy, useBasePolicy } from "./base-policy";

/** The button that starts one pass of the loop over campaigns of one's choice. */
export function StartRound() {
  const { t } = useTranslation();
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button leftSection={<RefreshCw size={16} />} onClick={() => setOpen(true)}>
        {t("rounds.start")}
      </Button>
      {isOpen && <NewRound onClose={() => setOpen(false)} />}
    </>
  );
}

const NOTHING = { campaigns: [] as number[], policy: "", gate: "50", config: "" };

function NewRound({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const form = useUnsavedForm("round.new", NOTHING);
  const { campaigns, policy, gate, config } = form.fields;
  const base = useBasePolicy(policy);
  const settings = configOf(config);
  const starting = useMutation({
    mutationFn: createRound,
    onSuccess: () => {
      form.discard();
      void queryClient.invalidateQueries({ queryKey: keys.rounds });
      onClose();
    },
  });

  function submit() {
    if (!settings) return;
    starting.mutate({
      campaigns,
      base_policy: Number(base),
      config: { gate: { win_rate_low: Number(gate) / 100 }, ...settings },
    });
  }

  return (
    <FormDialog
      title={t("rounds.start")}
      what={t("rounds.what")}
      form={form}
      verb={t("rounds.start")}
      isIncomplete={!campaigns.length || !base || !settings}
      sending={starting}
      onSubmit={submit}
      onClose={onClose}
    >
      {(reasonFor) => (
        <>
          <ChooseCampaigns
            label={t("rounds.campaigns")}
            chosen={campaigns}
            onChange={(chosen) => form.change({ campaigns: chosen })}
          />
          <BasePolicy value={base} onChange={(chosen) => form.change({ policy: chosen })} />
          <TextInput
            type="number"
            min={0}
            max={100}
            step={0.5}
            required
            withAsterisk={false}
            label={t("rounds.gate")}
            name="gate"
            error={reasonFor("gate")}
            description={t("rounds.gateHint")}
            value={gate}
            onChange={(event) => form.change({ gate: event.currentTarget.value })}
          />
          <ConfigField
            text={config}
            onChange={(text) => form.change({ config: text })}
            placeholder='{"ppo": {"num_episodes": 2000}}'
          />
        </>
      )}
    </FormDialog>
  );
}
