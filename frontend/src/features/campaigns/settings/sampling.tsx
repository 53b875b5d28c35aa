import { SimpleGrid, Stack, TextInput, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Bound } from "./fields";

/** How policies answer in this campaign. */
export function Sampling({ bound: { number } }: { bound: Bound }) {
  const { t } = useTranslation();
  return (
    <Stack>
      <Title order={2}>{t("campaigns.sampling")}</Title>
      <SimpleGrid cols={{ base: 1, xs: 3 }}>
        <TextInput
          label={t("campaigns.temperature")}
          {...number("temperature", 0, 2, 0.05, "sampling.temperature")}
        />
        <TextInput label={t("campaigns.topP")} {...number("top_p", 0.01, 1, 0.01, "sampling.top_p")} />
        <TextInput
          label={t("campaigns.maxNewTokens")}
          {...number("max_new_tokens", 1, 32_768, 1, "sampling.max_new_tokens")}
        />
      </SimpleGrid>
    </Stack>
  );
}
