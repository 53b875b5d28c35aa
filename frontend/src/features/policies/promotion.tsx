import { Checkbox } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ChooseCampaigns } from "@/components/choose-campaigns";
import { FormDialog } from "@/components/form-dialog";
import { Note } from "@/components/notes";
import { useUnsavedForm } from "@/components/unsaved";
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
  const form = useUnsavedForm(`policy.${policy.id}.promotion`, {
    campaigns: policy.campaigns.map((campaign) => campaign.id),
    samples: true,
  });
  const { campaigns, samples } = form.fields;
  // To go past the gate is decided anew each time.
  const [overrides, setOverrides] = useState(false);
  const promoting = useMutation({
    mutationFn: () => promote(policy.id, { campaigns, sample: samples, override: overrides }),
    onSuccess: () => {
      form.discard();
      void queryClient.invalidateQueries({ queryKey: keys.policies });
      void queryClient.invalidateQueries({ queryKey: keys.promotions });
      void queryClient.invalidateQueries({ queryKey: policyQuery(policy.id).queryKey });
      void queryClient.invalidateQueries({ queryKey: keys.campaigns });
      onClose();
    },
  });
  const wasRefused = promoting.error !== null && asProblem(promoting.error).code === "gate";
  const needsOverride = wasRefused || !evaluation?.passed;

  return (
    <FormDialog
      title={t("promotion.of", { name: policy.name })}
      what={t("promotion.what")}
      form={form}
      verb={t("promotion.submit")}
      isIncomplete={!campaigns.length || (needsOverride && !overrides)}
      sending={promoting}
      onSubmit={() => promoting.mutate()}
      onClose={onClose}
    >
      {() => (
        <>
          {evaluation ? (
            <WinRate evaluation={evaluation} />
          ) : (
            <Note look="caution">{t("promotion.notEvaluated")}</Note>
          )}
          <ChooseCampaigns
            label={t("promotion.campaigns")}
            chosen={campaigns}
            onChange={(chosen) => form.change({ campaigns: chosen })}
          />
          <Checkbox
            label={t("promotion.sample")}
            description={t("promotion.sampleHint")}
            checked={samples}
            onChange={(event) => form.change({ samples: event.currentTarget.checked })}
          />
          {needsOverride && (
            <Checkbox
              label={t("promotion.override")}
              description={t("promotion.overrideHint")}
              checked={overrides}
              onChange={(event) => setOverrides(event.currentTarget.checked)}
            />
          )}
        </>
      )}
    </FormDialog>
  );
}
