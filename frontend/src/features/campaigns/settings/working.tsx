import { SimpleGrid, Stack, TextInput, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Bound } from "./fields";

/** How a campaign is worked on: by how many, for how long, and how much of it is held out. */
export function Working({ bound: { kind, number, has } }: { bound: Bound }) {
  const { t } = useTranslation();
  const [least, most] = kind.completions;
  return (
    <Stack>
      <Title order={2}>{t("campaigns.work")}</Title>
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        {has("overlap") && (
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
        {has("completions") && (
          <TextInput
            label={t("campaigns.numCompletions")}
            description={t("campaigns.numCompletionsHint", { least, most })}
            {...number("num_completions", least, most)}
          />
        )}
        {has("heldOut") && (
          <TextInput
            label={t("campaigns.validation")}
            description={t("campaigns.validationHint")}
            {...number("validation_percent", 0, 90, 0.1, "validation_fraction")}
          />
        )}
        {has("correction") && (
          <TextInput
            label={t("campaigns.correction")}
            description={t("campaigns.correctionHint")}
            {...number("correction_hours", 0, 8784)}
          />
        )}
      </SimpleGrid>
    </Stack>
  );
}
