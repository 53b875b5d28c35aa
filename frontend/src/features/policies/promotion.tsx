import { Button, Checkbox, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { ChooseCampaigns } from "@/components/choose-campaigns";
import { Dialog } from "@/components/dialog";
import { Note, ProblemNote } from "@/components/notes";
import { asProblem } from "@/lib/api/problem";
import type { PolicyVersionDetail } from "@/lib/api/types";
import { keys } from "@/lib/keys";
import { policyQuery, promote } from "./api";
import { latest } from "./gate";
import { WinRate } from "./win-rate";

/** Makes a policy the one that campaigns sample from. The gate speaks first; going past it is said in words. */
export function Promotion({ policy, onClose }: { policy: PolicyVersionDetail; onClose: () => void }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const evaluation = latest(policy.evaluations);
  const [campaigns, setCampaigns] = useState(policy.campaigns.map((campaign) => campaign.id));
  const [samples, setSamples] = useState(true);
  const [overrides, setOverrides] = useState(false);
  const promoting = useMutation({
    mutationFn: () => promote(policy.id, { campaigns, sample: samples, override: overrides }),
    onSuccess: () => {
      void queryClient.invalidateQueries({ queryKey: keys.policies });
      void queryClient.invalidateQueries({ queryKey: keys.promotions });
      void queryClient.invalidateQueries({ queryKey: policyQuery(policy.id).queryKey });
      void queryClient.invalidateQueries({ queryKey: keys.campaigns });
      onClose();
    },
  });
  const wasRefused = promoting.error !== null && asProblem(promoting.error).code === "gate";
  const needsOverride = wasRefused || !evaluation?.passed;

  function submit(event: FormEvent) {
    event.preventDefault();
    promoting.mutate();
  }

  return (
    <Dialog title={t("promotion.of", { name: policy.name })} onClose={onClose}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm" c="dimmed">
            {t("promotion.what")}
          </Text>
          {evaluation ? (
            <WinRate evaluation={evaluation} />
          ) : (
            <Note look="caution">{t("promotion.notEvaluated")}</Note>
          )}
          <ChooseCampaigns label={t("promotion.campaigns")} chosen={campaigns} onChange={setCampaigns} />
          <Checkbox
            label={t("promotion.sample")}
            description={t("promotion.sampleHint")}
            checked={samples}
            onChange={(event) => setSamples(event.currentTarget.checked)}
          />
          {needsOverride && (
            <Checkbox
              label={t("promotion.override")}
              description={t("promotion.overrideHint")}
              checked={overrides}
              onChange={(event) => setOverrides(event.currentTarget.checked)}
            />
          )}
          <ProblemNote error={promoting.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t("common.cancel")}
            </Button>
            <Button
              type="submit"
              loading={promoting.isPending}
              disabled={!campaigns.length || (needsOverride && !overrides)}
            >
              {t("promotion.submit")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
