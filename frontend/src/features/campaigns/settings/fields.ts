import type { ChangeEvent } from "react";
import type { UnsavedForm } from "@/components/unsaved";
import type { Problem } from "@/lib/api/problem";
import type { Kind, Setting } from "@/lib/kinds";
import type { CampaignFields } from "../campaign-fields";

/** The fields whose own line says what is wrong with them. */
const TOLD = [
  "name",
  "language",
  "overlap",
  "num_completions",
  "flags",
  "lease_seconds",
  "criteria",
  "reviewed_campaign",
  "ranking_campaign",
];

/** Whether each refusal stands at its field, so that none has to be said below the form. */
export const isInFields = (problem: Problem | null) =>
  problem !== null &&
  problem.errors.length > 0 &&
  problem.errors.every((refusal) => TOLD.includes(refusal.field));

type Words = {
  [K in keyof CampaignFields]: CampaignFields[K] extends string ? K : never;
}[keyof CampaignFields];
type Choice = Exclude<keyof CampaignFields, Words>;

/** What binds an input to one of the form's fields, and to what is wrong with it; `refusal` is the server's name. */
export function bound(
  form: UnsavedForm<CampaignFields>,
  kind: Kind,
  problem: Problem | null,
  reasonFor: (name: string) => string | undefined,
) {
  const { fields } = form;
  const field = (name: Words, refusal: string = name) => ({
    name,
    value: fields[name],
    error: reasonFor(name) ?? problem?.reasonFor(refusal),
    onChange: (event: ChangeEvent<HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement>) => {
      const { value } = event.currentTarget;
      form.change({ [name]: value });
    },
  });
  const choice = (name: Choice) => ({
    checked: fields[name],
    onChange: (event: ChangeEvent<HTMLInputElement>) => {
      const { checked } = event.currentTarget;
      form.change({ [name]: checked });
    },
  });
  const number = (name: Words, min: number, max: number, step = 1, refusal?: string) => ({
    ...field(name, refusal),
    type: "number" as const,
    min,
    max,
    step,
    required: true,
    withAsterisk: false,
  });
  return { kind, fields, field, choice, number, has: (setting: Setting) => kind.settings.includes(setting) };
}

export type Bound = ReturnType<typeof bound>;
