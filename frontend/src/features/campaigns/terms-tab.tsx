import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { ProblemNote, Waiting } from "@/components/notes";
import type { Campaign } from "@/lib/api/types";
import { termsQuery } from "@/lib/queries";
import { writeTerms } from "./api";
import { VersionedText } from "./versioned-text";

/** What annotators agree to before their first unit. */
export function TermsTab({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const query = termsQuery(campaign.id);
  const terms = useQuery(query);
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
      onSaved={(saved) => queryClient.setQueryData(query.queryKey, { ...terms.data, ...saved })}
    />
  );
}
