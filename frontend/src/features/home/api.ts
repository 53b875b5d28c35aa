import { api, bodyOf } from "@/lib/api/client";
import type { components } from "@/lib/api/schema";

type Schemas = components["schemas"];
export type OwnDraft = Schemas["OwnDraft"];
export type OwnSubmission = Schemas["OwnSubmission"];
export type OwnFigures = Schemas["OwnFigures"];
export type OwnAgreement = Schemas["OwnAgreement"];

/** `onDevice`: units with words here, of which the server may not know. */
export function readOwnWork(onDevice: number[]) {
  const since = new Date();
  since.setHours(0, 0, 0, 0);
  const drafts = onDevice.slice(0, 100).join(",") || undefined;
  return bodyOf(api.GET("/api/my-work", { params: { query: { since: since.toISOString(), drafts } } }));
}

export const readOwnAgreement = () => bodyOf(api.GET("/api/my-agreement"));
