import { useLayoutEffect, useSyncExternalStore } from "react";
import type { CampaignKind } from "./api/types";

// Which kind of work is on the page, for the help that is opened over it.
let topic: CampaignKind | null = null;
const listeners = new Set<() => void>();

function setTopic(next: CampaignKind | null) {
  topic = next;
  for (const listener of listeners) listener();
}

export function useTopic(kind: CampaignKind): void {
  useLayoutEffect(() => {
    setTopic(kind);
    return () => setTopic(null);
  }, [kind]);
}

export function useCurrentTopic(): CampaignKind | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => topic,
  );
}
