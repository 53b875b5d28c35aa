import { Button, Checkbox, Group, NativeSelect, SimpleGrid, Stack, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ChooseCampaigns } from "@/components/choose-campaigns";
import { Dialog } from "@/components/dialog";
import { Form } from "@/components/form";
import { ProblemNote } from "@/components/notes";
import { keys } from "@/lib/keys";
import { policiesQuery } from "@/lib/queries";
import { createSchedule } from "./api";

export function NewSchedule({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const policies = useQuery(policiesQuery);
  const [name, setName] = useState("");
  const [campaigns, setCampaigns] = useState<number[]>([]);
  const [policy, setPolicy] = useState("");
  const [hours, setHours] = useState("24");
  const [feedback, setFeedback] = useState("");
  const [isSnapshotOnly, setSnapshotOnly] = useState(false);
  const base = policy || String(policies.data?.[0]?.id ?? "");
  const creating = useMutation({
    mutationFn: createSchedule,
    onSuccess: () => {
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
    <Dialog title={t("schedules.new")} onClose={onClose}>
      <Form onSubmit={submit}>
        {(reasonFor) => (
          <Stack>
            <TextInput
              label={t("campaigns.name")}
              name="name"
              error={reasonFor("name")}
              required
              withAsterisk={false}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              data-autofocus
            />
            <ChooseCampaigns label={t("rounds.campaigns")} chosen={campaigns} onChange={setCampaigns} />
            <NativeSelect
              label={t("rounds.basePolicy")}
              value={base}
              onChange={(event) => setPolicy(event.currentTarget.value)}
              data={(policies.data ?? []).map(({ id, name: label }) => ({ value: String(id), label }))}
            />
            <SimpleGrid cols={2}>
              <TextInput
                type="number"
                min={0}
                step="any"
                label={t("schedules.hours")}
                name="hours"
                error={reasonFor("hours")}
                value={hours}
                onChange={(event) => setHours(event.currentTarget.value)}
              />
              <TextInput
                type="number"
                min={0}
                label={t("schedules.feedback")}
                name="feedback"
                error={reasonFor("feedback")}
                value={feedback}
                onChange={(event) => setFeedback(event.currentTarget.value)}
              />
            </SimpleGrid>
            <Checkbox
              label={t("schedules.onlySnapshot")}
              checked={isSnapshotOnly}
              onChange={(event) => setSnapshotOnly(event.currentTarget.checked)}
            />
            <ProblemNote error={creating.error} />
            <Group justify="flex-end">
              <Button variant="default" onClick={onClose}>
                {t("common.cancel")}
              </Button>
              <Button
                type="submit"
                loading={creating.isPending}
                disabled={!campaigns.length || !base || !(Number(hours) || Number(feedback))}
              >
                {t("common.save")}
              </Button>
            </Group>
          </Stack>
        )}
      </Form>
    </Dialog>
  );
}
