import { NativeSelect, SimpleGrid, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { CampaignKind } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { nameOfLanguage } from "@/lib/i18n";
import { useKinds } from "@/lib/kinds";
import { campaignsQuery } from "@/lib/queries";
import { LANGUAGES } from "../languages";
import type { Bound } from "./fields";

/** What a campaign is: its name, its kind or state, its language and, of reviews, whose work they are about. */
export function Identity({ bound, isNew }: { bound: Bound; isNew: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const kinds = useKinds();
  const { fields, field, has } = bound;
  const languages = [...new Set([...LANGUAGES, fields.language])]
    .map((tag) => ({ value: tag, label: nameOfLanguage(tag, format.language) }))
    .sort((one, other) => one.label.localeCompare(other.label, format.language));
  return (
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
            data={(Object.keys(kinds) as CampaignKind[]).map((value) => ({
              value,
              label: t(`kind.${value}`),
            }))}
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
      {has("reviewed") && isNew && <Reviewed bound={bound} />}
    </Stack>
  );
}

/** The campaign whose work is reviewed: one that nobody reviews yet. */
function Reviewed({ bound }: { bound: Bound }) {
  const { t } = useTranslation();
  const kinds = useKinds();
  const campaigns = useQuery(campaignsQuery).data ?? [];
  const taken = campaigns.map((campaign) => campaign.reviewed_campaign?.id);
  const free = campaigns.filter(({ kind, id }) => kinds[kind].does !== "reviews" && !taken.includes(id));
  return (
    <NativeSelect
      label={t("campaigns.reviewed")}
      description={t("campaigns.reviewedHint")}
      required
      withAsterisk={false}
      data={[
        { value: "", label: t("campaigns.reviewedNone"), disabled: true },
        ...free.map(({ id, name }) => ({ value: String(id), label: name })),
      ]}
      {...bound.field("reviewed_campaign")}
    />
  );
}
