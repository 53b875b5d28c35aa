import { QueryClient } from "@tanstack/react-query";
import { asProblem } from "./problem";

// What is under way is looked at often; what is finished hardly at all.
export const LIVE_MS = 2000;
export const IDLE_MS = 15_000;

/** Passing troubles are tried again twice; a refusal is an answer and is shown at once. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      refetchOnWindowFocus: true,
      retry: (count, error) => asProblem(error).isPassing && count < 2,
    },
    mutations: { retry: false, networkMode: "always" },
  },
});
