import { Checkbox, NativeSelect, SimpleGrid, Stack, Textarea, TextInput, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { type Setting, useKinds } from "@/lib/kinds";
import { campaignsQuery } from "@/lib/queries";
import type { Bound } from "./fields";

const ASKED: Setting[] = [
  "ratedFirst",
  "flags",
  "criteria",
  "answers",
  "ownAnswer",
  "rankedIn",
  "systemMessage",
  "words",
];

/** What people are asked for beside the work itself; nothing where the kind leaves no choice. */
export function Asked({ bound }: { bound: Bound }) {
  const { t } = useTranslation();
  const { field, choice, has } = bound;
  if (!ASKED.some(has)) return null;
  return (
    <Stack>
      <Title order={2}>{t("campaigns.asked")}</Title>
      {has("ratedFirst") && (
        <Checkbox
          label={t("campaigns.ratedFirst")}
          description={t("campaigns.ratedFirstHint")}
          {...choice("is_rated_first")}
        />
      )}
      {has("flags") && (
        <Textarea
          label={t("campaigns.flags")}
          description={t("campaigns.flagsHint")}
          rows={8}
          {...field("flags")}
        />
      )}
      {has("criteria") && (
        <Textarea
          label={t("campaigns.criteria")}
          description={t("campaigns.criteriaHint")}
          rows={3}
          {...field("criteria")}
        />
      )}
      {has("answers") && (
        <NativeSelect
          label={t("campaigns.numAnswers")}
          description={t("campaigns.numAnswersHint")}
          data={(["2", "1"] as const).map((value) => ({
            value,
            label: t(`campaigns.numAnswersOf.${value}`),
          }))}
          {...field("num_completions")}
        />
      )}
      {has("ownAnswer") && (
        <NativeSelect
          label={t(has("answers") ? "campaigns.ownAnswerChat" : "campaigns.ownAnswer")}
          data={(["off", "ranked", "demonstration"] as const).map((value) => ({
            value,
            label: t(`campaigns.ownAnswers.${value}`),
          }))}
          {...field("own_answer")}
        />
      )}
      {has("rankedIn") && <RankedIn bound={bound} />}
      {has("systemMessage") && (
        <Checkbox
          label={t("campaigns.systemMessage")}
          description={t("campaigns.systemMessageHint")}
          {...choice("has_system_message")}
        />
      )}
      {has("words") && <NumWords bound={bound} />}
    </Stack>
  );
}

/** The campaign that judges answers to one turn of each chat. */
function RankedIn({ bound }: { bound: Bound }) {
  const { t } = useTranslation();
  const kinds = useKinds();
  const campaigns = useQuery(campaignsQuery).data ?? [];
  const judging = campaigns.filter(({ kind }) => kinds[kind].does === "judges");
  return (
    <NativeSelect
      label={t("campaigns.rankedIn")}
      description={t("campaigns.rankedInHint")}
      data={[
        { value: "", label: t("campaigns.rankedInNone") },
        ...judging.map(({ id, name }) => ({ value: String(id), label: name })),
      ]}
      {...bound.field("ranking_campaign")}
    />
  );
}

function NumWords({ bound: { number } }: { bound: Bound }) {
  const { t } = useTranslation();
  return (
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
  );
}
