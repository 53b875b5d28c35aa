import { Checkbox, SimpleGrid, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { ChooseCampaigns } from "@/components/choose-campaigns";
import { FormDialog } from "@/components/form-dialog";
import { useUnsavedForm } from "@/components/unsaved";
import { keys } from "@/lib/keys";
import { createSchedule } from "./api";
import { BasePolicy, useBasePolicy } from "./base-policy";

const NIGHTLY = {
  name: "",
  campaigns: [] as number[],
  policy: "",
  hours: "24",
  feedback: "",
  isSnapshotOnly: false,
};

export function NewSchedule({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const form = useUnsavedForm("schedule.new", NIGHTLY);
  const { name, campaigns, policy, hours, feedback, isSnapshotOnly } = form.fields;
  const base = useBasePolicy(policy);
  const creating = useMutation({
    mutationFn: createSchedule,
    onSuccess: () => {
      form.discard();
      void queryClient.invalidateQueries({ queryKey: keys.schedules });
      onClose();
    },
  });

  function submit() {
    creating.mutate({
      name: name.trim(),
      campaigns,
      base_policy: Number(base),
      every_hours: Number(hours) || null,
      min_new_feedback: Number(feedback) || null,
      snapshot_only: isSnapshotOnly,
      is_enabled: true,
    });
  }

  return (
    <FormDialog
      title={t("schedules.new")}
      form={form}
      verb={t("common.save")}
      isIncomplete={!campaigns.length || !base || !(Number(hours) || Number(feedback))}
      sending={creating}
      onSubmit={submit}
      onClose={onClose}
    >
      {(reasonFor) => (
        <>
          <TextInput
            label={t("campaigns.name")}
            name="name"
            error={reasonFor("name")}
            required
            withAsterisk={false}
            value={name}
            onChange={(event) => form.change({ name: event.currentTarget.value })}
            data-autofocus
          />
          <ChooseCampaigns
            label={t("rounds.campaigns")}
            chosen={campaigns}
            onChange={(chosen) => form.change({ campaigns: chosen })}
          />
          <BasePolicy value={base} onChange={(chosen) => form.change({ policy: chosen })} />
          <SimpleGrid cols={2}>
            <TextInput
              type="number"
              min={0}
              step="any"
              label={t("schedules.hours")}
              name="every_hours"
              error={reasonFor("every_hours")}
              value={hours}
              onChange={(event) => form.change({ hours: event.currentTarget.value })}
            />
            <TextInput
              type="number"
              min={0}
              label={t("schedules.feedback")}
              name="min_new_feedback"
              error={reasonFor("min_new_feedback")}
              value={feedback}
              onChange={(event) => form.change({ feedback: event.currentTarget.value })}
            />
          </SimpleGrid>
          <Checkbox
            label={t("schedules.onlySnapshot")}
            checked={isSnapshotOnly}
            onChange={(event) => form.change({ isSnapshotOnly: event.currentTarget.checked })}
          />
        </>
      )}
    </FormDialog>
  );
}
