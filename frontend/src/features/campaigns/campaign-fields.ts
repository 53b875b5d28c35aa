import type { CampaignDetail, CampaignKind, CampaignStatus } from "@/lib/api/types";
import type { Kind, Setting } from "@/lib/kinds";
import type { CampaignChanges, NewCampaign } from "./api";

/** What a new campaign asks beside the rating: the server's own list (annotate/campaigns/models.py). */
const DEFAULT_FLAGS = [
  "fails_instruction",
  "inappropriate",
  "untrue",
  "ignores_constraint",
  "sexual",
  "violent",
  "encourages_harm",
  "denigrates",
  "harmful_advice",
  "opinion",
  "moral_judgement",
];

/** A campaign's settings as they stand in the form's fields. */
export interface CampaignFields {
  name: string;
  kind: CampaignKind;
  /** Of reviews: the campaign whose work is reviewed. */
  reviewed_campaign: string;
  /** Of chats: the campaign in which one turn of each is ranked. */
  ranking_campaign: string;
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
  correction_hours: string;
  /** Of rankings. */
  is_rated_first: boolean;
  criteria: string;
  /** Of rankings and chats. */
  own_answer: CampaignDetail["own_answer"];
  /** Of demonstrations. */
  has_system_message: boolean;
  min_words: string;
  max_words: string;
  guidelines: string;
}

export function fieldsOf(campaign: CampaignDetail | null, language: string): CampaignFields {
  return {
    name: campaign?.name ?? "",
    kind: campaign?.kind ?? "ranking",
    reviewed_campaign: String(campaign?.reviewed_campaign?.id ?? ""),
    ranking_campaign: String(campaign?.ranking_campaign?.id ?? ""),
    status: campaign?.status ?? "open",
    language: campaign?.language ?? language,
    overlap: String(campaign?.overlap ?? 1),
    num_completions: String(campaign?.num_completions ?? 4),
    temperature: String(campaign?.sampling.temperature ?? 1),
    top_p: String(campaign?.sampling.top_p ?? 1),
    max_new_tokens: String(campaign?.sampling.max_new_tokens ?? 256),
    flags: (campaign?.flags ?? DEFAULT_FLAGS).join("\n"),
    lease_minutes: String((campaign?.lease_seconds ?? 600) / 60),
    validation_percent: String(Math.round((campaign?.validation_fraction ?? 0.1) * 1000) / 10),
    correction_hours: String(campaign?.correction_hours ?? 24),
    is_rated_first: campaign?.is_rated_first ?? false,
    criteria: (campaign?.criteria ?? []).join("\n"),
    own_answer: campaign?.own_answer ?? "ranked",
    has_system_message: campaign?.has_system_message ?? false,
    min_words: String(campaign?.min_words ?? ""),
    max_words: String(campaign?.max_words ?? ""),
    guidelines: campaign?.guidelines?.text ?? "",
  };
}

const linesOf = (text: string) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

export function changesOf(fields: CampaignFields, kind: Kind): CampaignChanges {
  const has = (setting: Setting) => kind.settings.includes(setting);
  const [least, most] = kind.completions;
  return {
    name: fields.name.trim(),
    status: fields.status,
    language: fields.language.trim(),
    overlap: has("overlap") ? Number(fields.overlap) : 1,
    // What stood in the form for another kind may be too many or too few for this one.
    num_completions: Math.min(most, Math.max(least, Number(fields.num_completions))),
    ranking_campaign: has("rankedIn") ? Number(fields.ranking_campaign) || null : null,
    sampling: {
      temperature: Number(fields.temperature),
      top_p: Number(fields.top_p),
      max_new_tokens: Number(fields.max_new_tokens),
    },
    flags: linesOf(fields.flags),
    lease_seconds: Math.round(Number(fields.lease_minutes) * 60),
    validation_fraction: Number(fields.validation_percent) / 100,
    correction_hours: has("correction") ? Number(fields.correction_hours) : 0,
    is_rated_first: has("ratedFirst") && fields.is_rated_first,
    criteria: has("criteria") ? linesOf(fields.criteria) : [],
    own_answer: fields.own_answer,
    has_system_message: fields.has_system_message,
    min_words: Number(fields.min_words) || null,
    max_words: Number(fields.max_words) || null,
  };
}

export function newCampaignOf(fields: CampaignFields, kind: Kind): NewCampaign {
  return {
    ...changesOf(fields, kind),
    // Until it has what it needs: its page says what that is, and opens it.
    status: "paused",
    name: fields.name.trim(),
    language: fields.language.trim(),
    kind: fields.kind,
    reviewed_campaign: kind.settings.includes("reviewed") ? Number(fields.reviewed_campaign) : null,
    guidelines_text: fields.guidelines,
  };
}
