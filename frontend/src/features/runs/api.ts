import { queryOptions } from "@tanstack/react-query";
import { api, bodyOf } from "@/lib/api/client";
import { IDLE_MS, LIVE_MS } from "@/lib/api/query";
import type { components } from "@/lib/api/schema";
import type { RunKind, RunState } from "@/lib/api/types";
import { keys } from "@/lib/keys";

type Schemas = components["schemas"];
export type NewRun = Schemas["NewRunRequest"];
export type MetricRow = { step: number } & Record<string, unknown>;

export const RUN_KINDS = [
  "sft",
  "reward",
  "ppo",
  "dpo",
  "kto",
  "rloo",
  "grpo",
  "sample",
  "evaluate",
] as const;
export const RUN_STATES = ["queued", "running", "succeeded", "failed", "lost", "cancelled"] as const;
export const PAGE_SIZE = 25;

export const isUnfinished = (state: string) => state === "queued" || state === "running";

export interface RunFilter {
  kind?: RunKind;
  state?: RunState;
  round?: number;
  offset?: number;
}

const at = (run_id: number) => ({ params: { path: { run_id } } });

export const runsQuery = (filter: RunFilter) =>
  queryOptions({
    queryKey: keys.runPage(filter),
    queryFn: () => bodyOf(api.GET("/api/runs", { params: { query: { limit: PAGE_SIZE, ...filter } } })),
    placeholderData: (before) => before,
    refetchInterval: (query) =>
      query.state.data?.results.some((run) => isUnfinished(run.state)) ? LIVE_MS : IDLE_MS,
  });

export const runQuery = (id: number) =>
  queryOptions({
    queryKey: keys.run(id),
    queryFn: () => bodyOf(api.GET("/api/runs/{run_id}", at(id))),
    refetchInterval: (query) =>
      query.state.data && !isUnfinished(query.state.data.state) ? IDLE_MS : LIVE_MS,
  });

export const modelServerQuery = queryOptions({
  queryKey: keys.modelServer,
  queryFn: () => bodyOf(api.GET("/api/model-server")),
  refetchInterval: IDLE_MS,
});

export const readMetrics = async (id: number, after_step: number) =>
  (await bodyOf(
    api.GET("/api/runs/{run_id}/metrics", { params: { path: { run_id: id }, query: { after_step } } }),
  )) as MetricRow[];

export const readLog = (id: number) =>
  bodyOf(api.GET("/api/runs/{run_id}/log", { params: { path: { run_id: id }, query: { tail: 400 } } }));

export const readSamples = (id: number) =>
  bodyOf(api.GET("/api/runs/{run_id}/samples", { params: { path: { run_id: id }, query: { limit: 30 } } }));

export const createRun = (body: NewRun) => bodyOf(api.POST("/api/runs", { body }));
export const cancelRun = (id: number) => bodyOf(api.POST("/api/runs/{run_id}/cancel", at(id)));
export const resumeRun = (id: number) => bodyOf(api.POST("/api/runs/{run_id}/resume", at(id)));
