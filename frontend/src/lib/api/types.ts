import type { components } from "./schema";

type Schemas = components["schemas"];

// The API's records under the names that pages use; the fields are the schema's.
export type Me = Schemas["Me"];
export type Token = Schemas["Token"];
export type Operation = Schemas["Operation"];
export type Named = Schemas["Named"];
export type Message = Schemas["Message"];
export type Campaign = Schemas["Campaign"];
export type CampaignDetail = Schemas["CampaignDetail"];
export type CampaignKind = Schemas["CampaignKind"];
export type CampaignStatus = Schemas["CampaignStatus"];
export type Guidelines = Schemas["Guidelines"];
export type Member = Schemas["Member"];
export type Progress = Schemas["Progress"];
export type Import = Schemas["Import"];
export type ImportDetail = Schemas["ImportDetail"];
export type Assignment = Schemas["Assignment"];
export type Suggestion = Schemas["Suggestion"];
export type Snapshot = Schemas["Snapshot"];
export type Run = Schemas["Run"];
export type RunKind = Schemas["RunKind"];
export type RunState = Schemas["RunState"];
export type Round = Schemas["Round"];
export type Stage = Schemas["Stage"];
export type PolicyVersion = Schemas["PolicyVersion"];
export type PolicyVersionDetail = Schemas["PolicyVersionDetail"];
export type Ancestor = Schemas["Ancestor"];
export type Evaluation = Schemas["Evaluation"];
export type RewardModel = Schemas["RewardModel"];
export type ModelServer = Schemas["ModelServer"];
export type Schedule = Schemas["Schedule"];
