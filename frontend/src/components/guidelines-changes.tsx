import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "@/lib/api/client";
import { keys } from "@/lib/keys";
import { Dialog } from "./dialog";
import { MarkdownChanges } from "./markdown/changes";
import { Markdown } from "./markdown/markdown";
import { ProblemNote, Waiting } from "./notes";

const at = (campaign_id: number) => ({ params: { path: { campaign_id } } });

/** What is new in a campaign's guidelines since I last read them; opened, they are read. */
export function GuidelinesChanges({ campaignId, onClose }: { campaignId: number; onClose: () => void }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const seen = useQuery({
    queryKey: keys.guidelinesSeen(campaignId),
    queryFn: () => bodyOf(api.GET("/api/campaigns/{campaign_id}/guidelines", at(campaignId))),
    // What was read last is asked once: from now on it is the newest.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const version = seen.data?.version;
  useEffect(() => {
    if (version === undefined) return;
    const reading = api.POST("/api/campaigns/{campaign_id}/guidelines/read", {
      ...at(campaignId),
      body: { version },
    });
    const refresh = () => {
      void queryClient.invalidateQueries({ queryKey: keys.campaigns });
      void queryClient.invalidateQueries({ queryKey: keys.campaign(campaignId) });
    };
    // Not reached: they are still marked as changed, and may be read again.
    void reading.then(refresh, () => undefined);
  }, [campaignId, version, queryClient]);

  return (
    <Dialog title={t("guidelines.changes")} size="large" onClose={onClose}>
      {seen.isPending && <Waiting lines={5} />}
      <ProblemNote error={seen.error} />
      {seen.data &&
        (seen.data.read ? (
          <MarkdownChanges before={seen.data.read.text} after={seen.data.text} />
        ) : (
          <Markdown text={seen.data.text} isSmall />
        ))}
    </Dialog>
  );
}
