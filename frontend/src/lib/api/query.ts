import { QueryClient } from "@tanstack/react-query";
import { asProblem } from "./problem";

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
