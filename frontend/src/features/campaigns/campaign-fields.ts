import type { Campaign, CampaignKind, CampaignStatus } from "@/lib/api/types";
import type { CampaignChanges, NewCampaign } from "./api";

/** A campaign's settings as they stand in the form's fields. */
export interface CampaignFields {
  name: string;
  kind: CampaignKind;
  status: CampaignStatus;
  language: string;
  overlap: string;
  num_completions: string;
  temperature: string;
  top_p: string;
  max_new_tokens: string;
  flags: string;
  lease_minutes: string;
  validation_percent: string;
  guidelines: string;
}

export function fieldsOf(campaign: Campaign | null, language: string): CampaignFields {
  return {
    name: campaign?.name ?? "",
    kind: campaign?.kind ?? "ranking",
    status: campaign?.status ?? "open",
    language: campaign?.language ?? language,
    overlap: String(campaign?.overlap ?? 1),
    num_completions: String(campaign?.num_completions ?? 4),
    temperature: String(campaign?.sampling.temperature ?? 1),
    top_p: String(campaign?.sampling.top_p ?? 1),
    max_new_tokens: String(campaign?.sampling.max_new_tokens ?? 256),
    flags: (campaign?.flags ?? ["fails_instruction", "untrue", "harmful"]).join("\n"),
    lease_minutes: String((campaign?.lease_seconds ?? 600) / 60),
    validation_percent: String(Math.round((campaign?.validation_fraction ?? 0.1) * 1000) / 10),
    guidelines: campaign?.guidelines?.text ?? "",
  };
}

export function changesOf(fields: CampaignFields): CampaignChanges {
  return {
    name: fields.name.trim(),
    status: fields.status,
    language: fields.language.trim(),
    overlap: Number(fields.overlap),
    num_completions: fields.kind === "comparison" ? 2 : Number(fields.num_completions),
    sampling: {
      temperature: Number(fields.temperature),
      top_p: Number(fields.top_p),
      max_new_tokens: Number(fields.max_new_tokens),
    },
    flags: fields.flags
      .split("\n")
      .map((flag) => flag.trim())
      .filter(Boolean),
    lease_seconds: Math.round(Number(fields.lease_minutes) * 60),
    validation_fraction: Number(fields.validation_percent) / 100,
  };
}

export function newCampaignOf(fields: CampaignFields): NewCampaign {
  const { status: _status, ...changes } = changesOf(fields);
  return {
    ...changes,
    name: fields.name.trim(),
    language: fields.language.trim(),
    kind: fields.kind,
    guidelines_text: fields.guidelines,
  };
}
