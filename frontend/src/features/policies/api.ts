import { queryOptions } from "@tanstack/react-query";
import { api, bodyOf } from "@/lib/api/client";
import type { components } from "@/lib/api/schema";
import { keys } from "@/lib/keys";

type Schemas = components["schemas"];

const at = (policy_version_id: number) => ({ params: { path: { policy_version_id } } });

export const PAGE_SIZE = 50;

/** A page of the list; under the name of the whole, so that a new policy renews it too. */
export const policyPageQuery = (offset: number) =>
  queryOptions({
    queryKey: keys.policyPage(offset),
    queryFn: () =>
      bodyOf(api.GET("/api/policy-versions", { params: { query: { offset, limit: PAGE_SIZE } } })),
    placeholderData: (before) => before,
    refetchInterval: 15_000,
  });

export const policyQuery = (id: number) =>
  queryOptions({
    queryKey: keys.policy(id),
    queryFn: () => bodyOf(api.GET("/api/policy-versions/{policy_version_id}", at(id))),
  });

export const comparisonsQuery = (id: number) =>
  queryOptions({
    queryKey: keys.comparisonsOf(id),
    queryFn: () => bodyOf(api.GET("/api/policy-versions/{policy_version_id}/comparisons", at(id))),
  });

export const registerPolicy = (body: Schemas["NewPolicyVersionRequest"]) =>
  bodyOf(api.POST("/api/policy-versions", { body }));

export const promote = (id: number, body: Schemas["PromotionRequest"]) =>
  bodyOf(api.POST("/api/policy-versions/{policy_version_id}/promote", { ...at(id), body }));
