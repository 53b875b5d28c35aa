import { useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { api } from "./api/client";
import type { CampaignKind, Me } from "./api/types";
import { meQuery, useMe } from "./me";

const NONE: string[] = [];

/** The kinds of work whose practice I did or skipped, on whatever device, and how one more is said to be. */
export function usePractised(): [kinds: string[], add: (kind: CampaignKind) => void] {
  const queryClient = useQueryClient();
  const me = useMe();
  const { practised = NONE } = me.preferences;
  const add = useCallback(
    (kind: CampaignKind) => {
      if (practised.includes(kind)) return;
      const changed = { practised: [...practised, kind] };
      const known: Me = { ...me, preferences: { ...me.preferences, ...changed } };
      // At once here. If the server cannot be told, the practice is offered once more, and nothing worse.
      queryClient.setQueryData(meQuery.queryKey, known);
      // What is not named stays: another device may have set it since.
      const preferences = changed as Me["preferences"];
      api.PATCH("/api/me", { body: { preferences } }).catch(() => undefined);
    },
    [me, practised, queryClient],
  );
  return [practised, add];
}
