import { queryOptions } from "@tanstack/react-query";
import { api, bodyOf } from "@/lib/api/client";
import { IDLE_MS, LIVE_MS } from "@/lib/api/query";
import type { components } from "@/lib/api/schema";
import { keys } from "@/lib/keys";

type Schemas = components["schemas"];
export type NewRound = Schemas["NewRoundRequest"];
export type NewSchedule = Schemas["ScheduleRequest"];

export const ROUNDS_AT_FIRST = 5;

export const roundsQuery = (limit: number) =>
  queryOptions({
    queryKey: keys.roundPage(limit),
    queryFn: () => bodyOf(api.GET("/api/rounds", { params: { query: { limit } } })),
    placeholderData: (before) => before,
    refetchInterval: (query) =>
      query.state.data?.results.some((round) => round.state === "running") ? LIVE_MS : IDLE_MS,
  });

export const schedulesQuery = queryOptions({
  queryKey: keys.schedules,
  queryFn: () => bodyOf(api.GET("/api/schedules")),
});

export const createRound = (body: NewRound) => bodyOf(api.POST("/api/rounds", { body }));
export const createSchedule = (body: NewSchedule) => bodyOf(api.POST("/api/schedules", { body }));

export const cancelRound = (round_id: number) =>
  bodyOf(api.POST("/api/rounds/{round_id}/cancel", { params: { path: { round_id } } }));

export const resumeRound = (round_id: number) =>
  bodyOf(api.POST("/api/rounds/{round_id}/resume", { params: { path: { round_id } } }));

export const changeSchedule = (schedule_id: number, body: Schemas["PatchedScheduleRequest"]) =>
  bodyOf(api.PATCH("/api/schedules/{schedule_id}", { params: { path: { schedule_id } }, body }));

export const deleteSchedule = (schedule_id: number) =>
  api.DELETE("/api/schedules/{schedule_id}", { params: { path: { schedule_id } } });
