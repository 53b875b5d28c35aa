import { Button, Group, NativeSelect, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { RefreshCw } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ChooseCampaigns } from "@/components/choose-campaigns";
import { ConfigField, configOf } from "@/components/config-field";
import { Dialog } from "@/components/dialog";
import { Form } from "@/components/form";
import { ProblemNote } from "@/components/notes";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { NEWEST, policiesQuery } from "@/lib/queries";
import { createRound } from "./api";

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

function NewRound({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queryClient = useQueryClient();
  const policies = useQuery(policiesQuery);
  const [campaigns, setCampaigns] = useState<number[]>([]);
  const [policy, setPolicy] = useState("");
  const [gate, setGate] = useState("50");
  const [config, setConfig] = useState("");
  const starting = useMutation({
    mutationFn: createRound,
    onSuccess: () => {
      void queryClient.invalidateQueries({ queryKey: keys.rounds });
      onClose();
    },
  });
  const settings = configOf(config);
  const base = policy || String(policies.data?.[0]?.id ?? "");

  function submit() {
    if (!settings) return;
    starting.mutate({
      campaigns,
      base_policy: Number(base),
      config: { gate: { win_rate_low: Number(gate) / 100 }, ...settings },
    });
  }

  return (
    <Dialog title={t("rounds.start")} onClose={onClose}>
      <Form onSubmit={submit}>
        {(reasonFor) => (
          <Stack>
            <Text size="sm" c="dimmed">
              {t("rounds.what")}
            </Text>
            <ChooseCampaigns label={t("rounds.campaigns")} chosen={campaigns} onChange={setCampaigns} />
            <NativeSelect
              label={t("rounds.basePolicy")}
              description={
                (policies.data?.length ?? 0) >= NEWEST
                  ? t("common.onlyNewest", { number: format.number(NEWEST) })
                  : t("rounds.basePolicyHint")
              }
              value={base}
              onChange={(event) => setPolicy(event.currentTarget.value)}
              data={(policies.data ?? []).map(({ id, name }) => ({ value: String(id), label: name }))}
            />
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
              onChange={(event) => setGate(event.currentTarget.value)}
            />
            <ConfigField text={config} onChange={setConfig} placeholder='{"ppo": {"num_episodes": 2000}}' />
            <ProblemNote error={starting.error} />
            <Group justify="flex-end">
              <Button variant="default" onClick={onClose}>
                {t("common.cancel")}
              </Button>
              <Button
                type="submit"
                loading={starting.isPending}
                disabled={!campaigns.length || !base || !settings}
              >
                {t("rounds.start")}
              </Button>
            </Group>
          </Stack>
        )}
      </Form>
    </Dialog>
  );
}
