import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { ProblemNote, Waiting } from "@/components/notes";
import type { Campaign } from "@/lib/api/types";
import { readTerms, writeTerms } from "./api";
import { VersionedText } from "./versioned-text";

/** What annotators agree to before their first unit. */
export function TermsTab({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const queryKey = ["terms", campaign.id];
  const terms = useQuery({ queryKey, queryFn: () => readTerms(campaign.id) });
  if (!terms.data) {
    return terms.error ? <ProblemNote error={terms.error} retry={() => void terms.refetch()} /> : <Waiting />;
  }
  return (
    <VersionedText
      place={`campaign.${campaign.id}.terms`}
      hint={t("terms.textHint")}
      none={t("terms.none")}
      inForce={terms.data}
      save={(text) => writeTerms(campaign.id, text)}
      onSaved={(saved) => queryClient.setQueryData(queryKey, { ...terms.data, ...saved })}
    />
  );
}
