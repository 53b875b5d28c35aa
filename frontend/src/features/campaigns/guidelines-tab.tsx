import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { CampaignDetail } from "@/lib/api/types";
import { campaignQuery } from "@/lib/queries";
import { writeGuidelines } from "./api";
import { VersionedText } from "./versioned-text";

/** What annotators read beside every unit. */
export function GuidelinesTab({ campaign }: { campaign: CampaignDetail }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  return (
    <VersionedText
      place={`campaign.${campaign.id}.guidelines`}
      hint={t("guidelines.textHint")}
      none={t("guidelines.none")}
      inForce={campaign.guidelines}
      save={(text) => writeGuidelines(campaign.id, text)}
      onSaved={(guidelines) =>
        queryClient.setQueryData(campaignQuery(campaign.id).queryKey, { ...campaign, guidelines })
      }
    />
  );
}
