import { queryOptions } from "@tanstack/react-query";
import { api, bodyOf } from "./client";

// The lists that several pages choose from. A page shows what is newest; one page of it is more than a menu can hold.
export const NEWEST = 200;
const newest = { params: { query: { limit: NEWEST } } };

export const campaignsQuery = queryOptions({
  queryKey: ["campaigns"],
  queryFn: async () => (await bodyOf(api.GET("/api/campaigns", newest))).results,
});

export const policiesQuery = queryOptions({
  queryKey: ["policies"],
  queryFn: async () => (await bodyOf(api.GET("/api/policy-versions", newest))).results,
});

export const snapshotsQuery = queryOptions({
  queryKey: ["snapshots"],
  queryFn: async () => (await bodyOf(api.GET("/api/snapshots", newest))).results,
});

export const rewardModelsQuery = queryOptions({
  queryKey: ["reward-models"],
  queryFn: async () => (await bodyOf(api.GET("/api/reward-models", newest))).results,
});

export const campaignQuery = (campaign_id: number) =>
  queryOptions({
    queryKey: ["campaign", campaign_id],
    queryFn: () => bodyOf(api.GET("/api/campaigns/{campaign_id}", { params: { path: { campaign_id } } })),
  });
