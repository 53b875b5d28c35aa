import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import { Page } from "@/components/page";
import { useUnsavedForm } from "@/components/unsaved";
import { keys } from "@/lib/keys";
import { useKinds } from "@/lib/kinds";
import { createCampaign } from "./api";
import { fieldsOf, newCampaignOf } from "./campaign-fields";
import { CampaignForm } from "./campaign-form";

export function NewCampaignPage() {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const kinds = useKinds();
  const form = useUnsavedForm("campaign.new", fieldsOf(null, i18n.language));
  const creating = useMutation({
    mutationFn: createCampaign,
    onSuccess: (campaign) => {
      form.discard();
      void queryClient.invalidateQueries({ queryKey: keys.campaigns });
      void navigate(`/campaigns/${campaign.id}`);
    },
  });
  return (
    <Page title={t("campaigns.new")} isWide>
      <CampaignForm
        form={form}
        isNew
        error={creating.error}
        isPending={creating.isPending}
        onSubmit={(fields) => creating.mutate(newCampaignOf(fields, kinds[fields.kind]))}
      />
    </Page>
  );
}
