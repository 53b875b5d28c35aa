import { Button, Group, Textarea, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Markdown } from "@/components/markdown/markdown";
import { ProblemNote } from "@/components/notes";
import { UnsavedLine, useUnsavedForm } from "@/components/unsaved";
import classes from "./campaigns.module.css";

export interface Version {
  version: number;
  text: string;
}

interface VersionedTextProps {
  /** Under which name unsaved words are kept on the device. */
  place: string;
  hint: string;
  /** Shown in the preview while there is no text. */
  none: string;
  inForce: Version | null;
  save: (text: string) => Promise<Version>;
  onSaved: (version: Version) => void;
}

/** A text beside what it will look like. Every save is a new version; none is ever changed. */
export function VersionedText({ place, hint, none, inForce, save, onSaved }: VersionedTextProps) {
  const { t } = useTranslation();
  const form = useUnsavedForm(place, { text: inForce?.text ?? "" });
  const { text } = form.fields;
  const saving = useMutation({
    mutationFn: save,
    onSuccess: (version, sent) => {
      form.settle({ text: sent }, { text: version.text });
      onSaved(version);
    },
  });
  return (
    <>
      <div className={classes.columns}>
        <Textarea
          label={t("guidelines.text")}
          description={hint}
          rows={18}
          dir="auto"
          value={text}
          onChange={(event) => form.change({ text: event.currentTarget.value })}
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
        <Button disabled={!form.isChanged} loading={saving.isPending} onClick={() => saving.mutate(text)}>
          {t("guidelines.save")}
        </Button>
        {!form.isChanged && inForce && inForce.version > 0 && (
          <p className={classes.quiet}>{t("guidelines.version", { version: inForce.version })}</p>
        )}
        <UnsavedLine form={form} />
      </Group>
      <ProblemNote error={saving.error} />
    </>
  );
}
