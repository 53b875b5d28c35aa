import {
  Button,
  Checkbox,
  Group,
  NativeSelect,
  SimpleGrid,
  Stack,
  Textarea,
  TextInput,
  Title,
} from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ChangeEvent, ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Form } from "@/components/form";
import { ProblemNote } from "@/components/notes";
import { type UnsavedForm, UnsavedLine } from "@/components/unsaved";
import { asProblem } from "@/lib/api/problem";
import { useFormat } from "@/lib/format";
import { nameOfLanguage } from "@/lib/i18n";
import { campaignsQuery } from "@/lib/queries";
import type { CampaignFields } from "./campaign-fields";
import classes from "./campaigns.module.css";
import { LANGUAGES } from "./languages";

interface CampaignFormProps {
  form: UnsavedForm<CampaignFields>;
  isNew: boolean;
  error: unknown;
  isPending: boolean;
  /** What is said once it is saved. */
  saved?: ReactNode;
  onSubmit: (fields: CampaignFields) => void;
}

/** A campaign's settings. Its kind stays as it was made: the units were made for it. */
export function CampaignForm(props: CampaignFormProps) {
  return (
    <Form onSubmit={() => props.onSubmit(props.form.fields)}>
      {(reasonFor) => <Fields {...props} reasonFor={reasonFor} />}
    </Form>
  );
}

interface FieldsProps extends CampaignFormProps {
  reasonFor: (name: string) => string | undefined;
}

function Fields({ form, isNew, error, isPending, saved, reasonFor }: FieldsProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const { fields } = form;
  const problem = error ? asProblem(error) : null;
  const campaigns = useQuery(campaignsQuery).data ?? [];
  const taken = campaigns.map((campaign) => campaign.reviewed_campaign?.id);
  const reviewable = campaigns.filter(({ kind, id }) => kind !== "review" && !taken.includes(id));
  const ranked = campaigns.filter(({ kind }) => kind === "ranking" || kind === "comparison");
  const isReview = fields.kind === "review";
  const languages = [...new Set([...LANGUAGES, fields.language])]
    .map((tag) => ({ value: tag, label: nameOfLanguage(tag, format.language) }))
    .sort((one, other) => one.label.localeCompare(other.label, format.language));
  const known = new Set([
    "name",
    "language",
    "overlap",
    "num_completions",
    "flags",
    "lease_seconds",
    "criteria",
    "reviewed_campaign",
    "ranking_campaign",
  ]);
  const isInField = problem?.errors.length && problem.errors.every((refusal) => known.has(refusal.field));

  type Words = {
    [K in keyof CampaignFields]: CampaignFields[K] extends string ? K : never;
  }[keyof CampaignFields];
  type Choice = Exclude<keyof CampaignFields, Words>;
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

  const ownAnswers = (["off", "ranked", "demonstration"] as const).map((value) => ({
    value,
    label: t(`campaigns.ownAnswers.${value}`),
  }));

  return (
    <>
      <div className={classes.form}>
        <Stack gap="xl">
          <Stack>
            <TextInput
              label={t("campaigns.name")}
              required
              withAsterisk={false}
              maxLength={200}
              {...field("name")}
            />
            <SimpleGrid cols={{ base: 1, xs: 2 }}>
              {isNew ? (
                <NativeSelect
                  label={t("campaigns.kind")}
                  data={[
                    { value: "ranking", label: t("kind.ranking") },
                    { value: "comparison", label: t("kind.comparison") },
                    { value: "demonstration", label: t("kind.demonstration") },
                    { value: "chat", label: t("kind.chat") },
                    { value: "review", label: t("kind.review") },
                  ]}
                  {...field("kind")}
                />
              ) : (
                <NativeSelect
                  label={t("campaigns.status")}
                  description={t("campaigns.statusHint")}
                  data={(["open", "paused", "closed"] as const).map((value) => ({
                    value,
                    label: t(`state.${value}`),
                  }))}
                  {...field("status")}
                />
              )}
              <NativeSelect label={t("campaigns.language")} data={languages} {...field("language")} />
            </SimpleGrid>
            {fields.kind === "review" && isNew && (
              <NativeSelect
                label={t("campaigns.reviewed")}
                description={t("campaigns.reviewedHint")}
                required
                withAsterisk={false}
                data={[
                  { value: "", label: t("campaigns.reviewedNone"), disabled: true },
                  ...reviewable.map(({ id, name }) => ({ value: String(id), label: name })),
                ]}
                {...field("reviewed_campaign")}
              />
            )}
          </Stack>

          <Stack>
            <Title order={2}>{t("campaigns.work")}</Title>
            <SimpleGrid cols={{ base: 1, xs: 2 }}>
              {!isReview && (
                <TextInput
                  label={t("campaigns.overlap")}
                  description={t("campaigns.overlapHint")}
                  {...number("overlap", 1, 100)}
                />
              )}
              <TextInput
                label={t("campaigns.lease")}
                description={t("campaigns.leaseHint")}
                {...number("lease_minutes", 0.5, 1440, 0.5, "lease_seconds")}
              />
              {fields.kind === "ranking" && (
                <TextInput
                  label={t("campaigns.numCompletions")}
                  description={t("campaigns.numCompletionsHint")}
                  {...number("num_completions", 2, 9)}
                />
              )}
              {!isReview && (
                <>
                  <TextInput
                    label={t("campaigns.validation")}
                    description={t("campaigns.validationHint")}
                    {...number("validation_percent", 0, 90, 0.1, "validation_fraction")}
                  />
                  <TextInput
                    label={t("campaigns.correction")}
                    description={t("campaigns.correctionHint")}
                    {...number("correction_hours", 0, 8784)}
                  />
                </>
              )}
            </SimpleGrid>
          </Stack>
        </Stack>
        <Stack gap="xl">
          {!isReview && fields.kind !== "comparison" && (
            <Stack>
              <Title order={2}>{t("campaigns.asked")}</Title>
              {fields.kind === "ranking" && (
                <>
                  <Checkbox
                    label={t("campaigns.ratedFirst")}
                    description={t("campaigns.ratedFirstHint")}
                    {...choice("is_rated_first")}
                  />
                  <Textarea
                    label={t("campaigns.flags")}
                    description={t("campaigns.flagsHint")}
                    rows={8}
                    {...field("flags")}
                  />
                  <Textarea
                    label={t("campaigns.criteria")}
                    description={t("campaigns.criteriaHint")}
                    rows={3}
                    {...field("criteria")}
                  />
                  <NativeSelect label={t("campaigns.ownAnswer")} data={ownAnswers} {...field("own_answer")} />
                </>
              )}
              {fields.kind === "chat" && (
                <>
                  <NativeSelect
                    label={t("campaigns.numAnswers")}
                    description={t("campaigns.numAnswersHint")}
                    data={(["2", "1"] as const).map((value) => ({
                      value,
                      label: t(`campaigns.numAnswersOf.${value}`),
                    }))}
                    {...field("num_completions")}
                  />
                  <NativeSelect
                    label={t("campaigns.ownAnswerChat")}
                    data={ownAnswers}
                    {...field("own_answer")}
                  />
                  <NativeSelect
                    label={t("campaigns.rankedIn")}
                    description={t("campaigns.rankedInHint")}
                    data={[
                      { value: "", label: t("campaigns.rankedInNone") },
                      ...ranked.map(({ id, name }) => ({ value: String(id), label: name })),
                    ]}
                    {...field("ranking_campaign")}
                  />
                </>
              )}
              {fields.kind === "demonstration" && (
                <>
                  <Checkbox
                    label={t("campaigns.systemMessage")}
                    description={t("campaigns.systemMessageHint")}
                    {...choice("has_system_message")}
                  />
                  <SimpleGrid cols={{ base: 1, xs: 2 }}>
                    <TextInput
                      label={t("campaigns.minWords")}
                      description={t("campaigns.wordsHint")}
                      {...number("min_words", 1, 100_000)}
                      required={false}
                    />
                    <TextInput
                      label={t("campaigns.maxWords")}
                      description={t("campaigns.wordsHint")}
                      {...number("max_words", 1, 100_000)}
                      required={false}
                    />
                  </SimpleGrid>
                </>
              )}
            </Stack>
          )}

          {!isReview && (
            <Stack>
              <Title order={2}>{t("campaigns.sampling")}</Title>
              <SimpleGrid cols={{ base: 1, xs: 3 }}>
                <TextInput
                  label={t("campaigns.temperature")}
                  {...number("temperature", 0, 2, 0.05, "sampling.temperature")}
                />
                <TextInput
                  label={t("campaigns.topP")}
                  {...number("top_p", 0.01, 1, 0.01, "sampling.top_p")}
                />
                <TextInput
                  label={t("campaigns.maxNewTokens")}
                  {...number("max_new_tokens", 1, 32_768, 1, "sampling.max_new_tokens")}
                />
              </SimpleGrid>
            </Stack>
          )}

          {isNew && (
            <Textarea
              label={t("guidelines.title")}
              description={t("campaigns.guidelinesHint")}
              rows={8}
              dir="auto"
              {...field("guidelines", "guidelines_text")}
            />
          )}
        </Stack>
      </div>
      <Stack mt="xl">
        {!isInField && <ProblemNote error={error} />}
        {!form.isChanged && saved}
        <Group>
          <Button type="submit" loading={isPending}>
            {isNew ? t("campaigns.create") : t("common.save")}
          </Button>
          <UnsavedLine form={form} />
        </Group>
      </Stack>
    </>
  );
}
