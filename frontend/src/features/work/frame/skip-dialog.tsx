import { Button, Group, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { Dialog } from "@/components/dialog";
import classes from "./dialogs.module.css";

const REASONS = ["unclear", "cannotJudge", "language", "distressing"] as const;

interface SkipDialogProps {
  onClose: () => void;
  onSkip: (reason: string) => void;
}

/** Not for me: with a reason if the person likes, and without one if not. */
export function SkipDialog({ onClose, onSkip }: SkipDialogProps) {
  const { t } = useTranslation();
  const [reason, setReason] = useState("");
  function submit(event: FormEvent) {
    event.preventDefault();
    onSkip(reason.trim());
  }
  return (
    <Dialog title={t("skip.title")} onClose={onClose}>
      <form onSubmit={submit}>
        <Stack>
          <div className={classes.reasons}>
            {REASONS.map((key) => {
              const words = t(`skip.reason.${key}`);
              return (
                <button
                  key={key}
                  type="button"
                  aria-pressed={reason === words}
                  onClick={() => setReason(reason === words ? "" : words)}
                >
                  {words}
                </button>
              );
            })}
          </div>
          <TextInput
            label={t("skip.reasonLabel")}
            maxLength={500}
            dir="auto"
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
            data-autofocus
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t("common.cancel")}
            </Button>
            <Button type="submit">{t("skip.submit")}</Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
