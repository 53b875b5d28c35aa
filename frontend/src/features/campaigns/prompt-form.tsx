import { Button, Group, Textarea, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { Note, ProblemNote } from "@/components/notes";
import type { Campaign } from "@/lib/api/types";
import { addPrompts } from "./api";
import classes from "./campaigns.module.css";

/** A few prompts written by hand, separated by an empty line. In a writing campaign they may be briefs. */
export function PromptForm({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const [text, setText] = useState("");
  const [isBrief, setBrief] = useState(false);
  const canBrief = campaign.kind === "demonstration" || campaign.kind === "chat";
  const prompts = text
    .split(/\n\s*\n/)
    .map((prompt) => prompt.trim())
    .filter(Boolean);
  const adding = useMutation({
    mutationFn: () =>
      addPrompts(
        campaign.id,
        prompts.map((prompt) =>
          canBrief && isBrief
            ? { brief: prompt }
            : { messages: [{ role: "user" as const, content: prompt }] },
        ),
      ),
    onSuccess: () => {
      setText("");
      void queryClient.invalidateQueries({ queryKey: ["progress", campaign.id] });
      void queryClient.invalidateQueries({ queryKey: ["campaign", campaign.id] });
    },
  });

  function submit(event: FormEvent) {
    event.preventDefault();
    adding.mutate();
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
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {canBrief && (
          <label className={classes.quiet}>
            <input
              type="checkbox"
              checked={isBrief}
              onChange={(event) => setBrief(event.currentTarget.checked)}
            />{" "}
            {t("prompts.asBriefs")}
          </label>
        )}
        <Group mt="sm">
          <Button type="submit" variant="default" disabled={prompts.length === 0} loading={adding.isPending}>
            {t("prompts.add", { count: prompts.length })}
          </Button>
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
