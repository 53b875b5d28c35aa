import { TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { ChooseCampaigns } from "@/components/choose-campaigns";
import { FormDialog } from "@/components/form-dialog";
import { useUnsavedForm } from "@/components/unsaved";
import { api, bodyOf } from "@/lib/api/client";
import { keys } from "@/lib/keys";

const NOTHING = { campaigns: [] as number[], name: "" };

/** Freezes what campaigns hold now. */
export function NewSnapshot({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const form = useUnsavedForm("snapshot.new", NOTHING);
  const { campaigns, name } = form.fields;
  const creating = useMutation({
    mutationFn: () => bodyOf(api.POST("/api/snapshots", { body: { campaigns, name: name.trim() } })),
    onSuccess: () => {
      form.discard();
      void queryClient.invalidateQueries({ queryKey: keys.snapshots });
      onClose();
    },
  });
  return (
    <FormDialog
      title={t("snapshots.new")}
      what={t("snapshots.what")}
      form={form}
      verb={t("snapshots.create")}
      isIncomplete={!campaigns.length}
      sending={creating}
      onSubmit={() => creating.mutate()}
      onClose={onClose}
    >
      {(reasonFor) => (
        <>
          <ChooseCampaigns
            label={t("nav.campaigns")}
            chosen={campaigns}
            onChange={(chosen) => form.change({ campaigns: chosen })}
          />
          <TextInput
            label={t("snapshots.nameLabel")}
            description={t("snapshots.nameHint")}
            maxLength={100}
            name="name"
            error={reasonFor("name")}
            value={name}
            onChange={(event) => form.change({ name: event.currentTarget.value })}
          />
        </>
      )}
    </FormDialog>
  );
}
