import { api, bodyOf } from "@/lib/api/client";
import type { components } from "@/lib/api/schema";

export type Next = components["schemas"]["Next"];
export type RemarkReason = components["schemas"]["RemarkRequestRequest"]["reason"];

const campaign = (campaign_id: number) => ({ params: { path: { campaign_id } } });
const assignment = (assignment_id: number) => ({ params: { path: { assignment_id } } });

export const takeNext = (campaignId: number): Promise<Next> =>
  bodyOf(api.POST("/api/campaigns/{campaign_id}/assignments/next", campaign(campaignId)));

export const leaseAhead = (campaignId: number): Promise<Next> =>
  bodyOf(api.POST("/api/campaigns/{campaign_id}/assignments/ahead", campaign(campaignId)));

/** Sent also while the page is being closed. */
export const releaseAhead = (id: number) =>
  api.POST("/api/assignments/{assignment_id}/release", {
    ...assignment(id),
    body: { only_ahead: true },
    keepalive: true,
  });

export const readAssignment = (id: number) =>
  bodyOf(api.GET("/api/assignments/{assignment_id}", assignment(id)));

/** `isLeaving` lets the request outlive the page; browsers then take no more than 64 KB. */
export const putDraft = (id: number, content: unknown, revision: number, isLeaving: boolean) => {
  const body = { content, revision };
  const keepalive = isLeaving && JSON.stringify(body).length < 60_000;
  return bodyOf(api.PUT("/api/assignments/{assignment_id}/draft", { ...assignment(id), body, keepalive }));
};

export const renewLease = (id: number) =>
  bodyOf(api.POST("/api/assignments/{assignment_id}/renew", assignment(id)));

export const giveConsent = (id: number, version: number) =>
  api.POST("/api/campaigns/{campaign_id}/consent", { ...campaign(id), body: { version } });

export const makeRemark = (id: number, reason: RemarkReason, text: string) =>
  api.POST("/api/assignments/{assignment_id}/remarks", { ...assignment(id), body: { reason, text } });
