import { queryOptions, useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { api, bodyOf } from "./api/client";
import { Problem } from "./api/problem";
import type { Me, Operation } from "./api/types";
import { keys } from "./keys";

/** Who is signed in; null when nobody is. */
export const meQuery = queryOptions({
  queryKey: keys.me,
  queryFn: async (): Promise<Me | null> => {
    try {
      return await bodyOf(api.GET("/api/me"));
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: Number.POSITIVE_INFINITY,
});

export function useMaybeMe() {
  return useQuery(meQuery);
}

/** The person signed in, on pages that nobody sees before signing in. */
export function useMe(): Me {
  const { data } = useSuspenseQuery(meQuery);
  if (!data) throw new Problem(401, {});
  return data;
}

/** Whether the table of roles and operations (annotate/accounts/permissions.py) lets me: menu, pages and buttons ask this. */
export function may(me: Me, operation: Operation): boolean {
  return me.operations.includes(operation);
}
