import { Button, Group, Textarea, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Markdown } from "@/components/markdown";
import { ProblemNote } from "@/components/notes";
import classes from "./campaigns.module.css";

export interface Version {
  version: number;
  text: string;
}

interface VersionedTextProps {
  hint: string;
  /** Shown in the preview while there is no text. */
  none: string;
  inForce: Version | null;
  save: (text: string) => Promise<Version>;
  onSaved: (version: Version) => void;
}

/** A text beside what it will look like. Every save is a new version; none is ever changed. */
export function VersionedText({ hint, none, inForce, save, onSaved }: VersionedTextProps) {
  const { t } = useTranslation();
  const [text, setText] = useState(inForce?.text ?? "");
  const saving = useMutation({ mutationFn: () => save(text), onSuccess: onSaved });
  const isChanged = text !== (inForce?.text ?? "");
  return (
    <>
      <div className={classes.columns}>
        <Textarea
          label={t("guidelines.text")}
          description={hint}
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
            <Markdown text={text || none} isSmall />
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
            : inForce && inForce.version > 0 && t("guidelines.version", { version: inForce.version })}
        </p>
      </Group>
      <ProblemNote error={saving.error} />
    </>
  );
}
