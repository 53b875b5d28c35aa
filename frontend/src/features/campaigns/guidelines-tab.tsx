import { Button, Group, Textarea, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Markdown } from "@/components/markdown";
import { ProblemNote } from "@/components/notes";
import type { Campaign } from "@/lib/api/types";
import { writeGuidelines } from "./api";
import classes from "./campaigns.module.css";

/** The text beside what it will look like. Every save is a new version; none is ever changed. */
export function GuidelinesTab({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const inForce = campaign.guidelines?.text ?? "";
  const [text, setText] = useState(inForce);
  const saving = useMutation({
    mutationFn: () => writeGuidelines(campaign.id, text),
    onSuccess: (guidelines) =>
      queryClient.setQueryData(["campaign", campaign.id], { ...campaign, guidelines }),
  });
  const isChanged = text !== inForce;
  return (
    <>
      <div className={classes.columns}>
        <Textarea
          label={t("guidelines.text")}
          description={t("guidelines.textHint")}
          rows={18}
          dir="auto"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <section>
          <Title order={2} mb="xs">
            {t("guidelines.preview")}
          </Title>
          <div className={classes.preview}>
            <Markdown text={text || t("guidelines.none")} isSmall />
          </div>
        </section>
      </div>
      <Group mt="md">
        <Button disabled={!isChanged} loading={saving.isPending} onClick={() => saving.mutate()}>
          {t("guidelines.save")}
        </Button>
        <p className={classes.quiet} role="status">
          {isChanged
            ? t("guidelines.unsaved")
            : campaign.guidelines && t("guidelines.version", { version: campaign.guidelines.version })}
        </p>
      </Group>
      <ProblemNote error={saving.error} />
    </>
  );
}
