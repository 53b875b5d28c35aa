import { queryOptions } from "@tanstack/react-query";
import { api, bodyOf } from "./api/client";
import { keys } from "./keys";

// What several pages ask for. Of the lists to choose from, what is newest: one page of it is more than a menu can hold.
export const NEWEST = 200;
const newest = { params: { query: { limit: NEWEST } } };

export const campaignsQuery = queryOptions({
  queryKey: keys.campaigns,
  queryFn: async () => (await bodyOf(api.GET("/api/campaigns", newest))).results,
});

export const policiesQuery = queryOptions({
  queryKey: keys.policies,
  queryFn: async () => (await bodyOf(api.GET("/api/policy-versions", newest))).results,
});

export const snapshotsQuery = queryOptions({
  queryKey: keys.snapshots,
  queryFn: async () => (await bodyOf(api.GET("/api/snapshots", newest))).results,
});

export const rewardModelsQuery = queryOptions({
  queryKey: keys.rewardModels,
  queryFn: async () => (await bodyOf(api.GET("/api/reward-models", newest))).results,
});

const at = (campaign_id: number) => ({ params: { path: { campaign_id } } });

export const campaignQuery = (id: number) =>
  queryOptions({
    queryKey: keys.campaign(id),
    queryFn: () => bodyOf(api.GET("/api/campaigns/{campaign_id}", at(id))),
  });

export const termsQuery = (campaign: number) =>
  queryOptions({
    queryKey: keys.terms(campaign),
    queryFn: () => bodyOf(api.GET("/api/campaigns/{campaign_id}/terms", at(campaign))),
  });

/** The people of whose names this is a part. */
export const usersQuery = (search: string) =>
  queryOptions({
    queryKey: keys.users(search),
    queryFn: async () =>
      (await bodyOf(api.GET("/api/users", { params: { query: { search, limit: 20 } } }))).results,
    placeholderData: (before) => before,
  });
