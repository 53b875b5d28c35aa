import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { ProblemNote, Waiting } from "@/components/notes";
import { Promotions } from "@/components/promotions";
import type { Campaign } from "@/lib/api/types";
import { keys } from "@/lib/keys";
import { readPolicies } from "./api";
import { PolicyChoice } from "./policy-choice";

/** Which policies a campaign samples from, and how often each. */
export function PoliciesTab({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const policies = useQuery({
    queryKey: keys.policiesOf(campaign.id),
    queryFn: () => readPolicies(campaign.id),
    // What is being chosen is not replaced behind it.
    refetchOnWindowFocus: false,
    gcTime: 0,
  });
  if (policies.isPending) return <Waiting lines={4} />;
  if (!policies.data) return <ProblemNote error={policies.error} retry={() => void policies.refetch()} />;
  return (
    <Stack gap={48}>
      <PolicyChoice campaign={campaign} stored={policies.data} />
      <Promotions title={t("promotions.before")} of={{ campaign: campaign.id }} />
    </Stack>
  );
}
