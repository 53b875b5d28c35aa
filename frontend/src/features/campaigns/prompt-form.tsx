import { Button, Group, Textarea, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { Note, ProblemNote } from "@/components/notes";
import { UnsavedLine, useUnsavedForm } from "@/components/unsaved";
import type { Campaign } from "@/lib/api/types";
import { keys } from "@/lib/keys";
import { useKinds } from "@/lib/kinds";
import { addPrompts } from "./api";
import classes from "./campaigns.module.css";

/** A few prompts written by hand, separated by an empty line. In a writing campaign they may be briefs. */
export function PromptForm({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const form = useUnsavedForm(`campaign.${campaign.id}.material`, { text: "", isBrief: false });
  const { text, isBrief } = form.fields;
  const canBrief = useKinds()[campaign.kind].does === "writes";
  const prompts = text
    .split(/\n\s*\n/)
    .map((prompt) => prompt.trim())
    .filter(Boolean);
  const adding = useMutation({
    mutationFn: (_sent: typeof form.fields) =>
      addPrompts(
        campaign.id,
        prompts.map((prompt) =>
          canBrief && isBrief
            ? { brief: prompt }
            : { messages: [{ role: "user" as const, content: prompt }] },
        ),
      ),
    onSuccess: (_added, sent) => {
      form.settle(sent, { ...sent, text: "" });
      void queryClient.invalidateQueries({ queryKey: keys.progress(campaign.id) });
      void queryClient.invalidateQueries({ queryKey: keys.campaign(campaign.id) });
    },
  });

  function submit(event: FormEvent) {
    event.preventDefault();
    adding.mutate(form.fields);
  }

  return (
    <section style={{ marginBottom: "3rem" }}>
      <Title order={2} mb="sm">
        {t("prompts.title")}
      </Title>
      <form onSubmit={submit}>
        <Textarea
          label={t("prompts.text")}
          description={t("prompts.hint")}
          rows={5}
          dir="auto"
          lang={campaign.language}
          maw={640}
          value={text}
          onChange={(event) => form.change({ text: event.currentTarget.value })}
        />
        {canBrief && (
          <label className={classes.quiet}>
            <input
              type="checkbox"
              checked={isBrief}
              onChange={(event) => form.change({ isBrief: event.currentTarget.checked })}
            />{" "}
            {t("prompts.asBriefs")}
          </label>
        )}
        <Group mt="sm">
          <Button type="submit" variant="default" disabled={prompts.length === 0} loading={adding.isPending}>
            {t("prompts.add", { count: prompts.length })}
          </Button>
          <UnsavedLine form={form} />
        </Group>
      </form>
      <ProblemNote error={adding.error} />
      {adding.data && (
        <Note look="success">
          {t("prompts.added", { count: adding.data.num_created, repeated: adding.data.num_repeated })}
        </Note>
      )}
    </section>
  );
}
