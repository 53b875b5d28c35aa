import { Button, Group, Stack, Textarea } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Dialog } from "@/components/dialog";
import { ProblemNote } from "@/components/notes";
import { dropRemarkFromDevice, keepRemarkOnDevice, remarkOnDevice } from "@/lib/drafts/device-store";
import { useMe } from "@/lib/me";
import { makeRemark, type RemarkReason } from "./api";
import classes from "./dialogs.module.css";

const REASONS: RemarkReason[] = ["comment", "unclear", "personal", "harmful", "guidelines", "other"];

interface RemarkDialogProps {
  assignmentId: number;
  onClose: () => void;
  onSent: () => void;
}

/** Something for a moderator about this unit: a flag with its reason, or a comment. The work on it goes on. */
export function RemarkDialog({ assignmentId, onClose, onSent }: RemarkDialogProps) {
  const { t } = useTranslation();
  const field = useRef<HTMLTextAreaElement>(null);
  const [reason, setReason] = useState<RemarkReason>("comment");
  const me = useMe();
  // What was begun here before: the tab was closed, or the dialog by a slip.
  const [text, setText] = useState(() => remarkOnDevice(me.id, assignmentId));
  const [isAsked, setAsked] = useState(false);
  const isMissing = reason === "comment" && !text.trim();
  const sending = useMutation({
    mutationFn: () => makeRemark(assignmentId, reason, text),
    onSuccess: () => {
      dropRemarkFromDevice(me.id, assignmentId);
      onSent();
    },
  });
  function write(words: string) {
    setText(words);
    keepRemarkOnDevice(me.id, assignmentId, words);
  }
  function submit(event: FormEvent) {
    event.preventDefault();
    setAsked(isMissing);
    if (isMissing) field.current?.focus();
    else sending.mutate();
  }
  return (
    <Dialog title={t("remark.title")} onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <Stack>
          {/* biome-ignore lint/a11y/useSemanticElements: a fieldset's legend would take a line of its own */}
          <div className={classes.reasons} role="group" aria-label={t("remark.about")}>
            {REASONS.map((name) => (
              <button key={name} type="button" aria-pressed={reason === name} onClick={() => setReason(name)}>
                {t(`remark.reason.${name}`)}
              </button>
            ))}
          </div>
          <Textarea
            label={t(reason === "comment" ? "remark.text" : "remark.textOptional")}
            ref={field}
            required={reason === "comment"}
            withAsterisk={false}
            error={isAsked && isMissing && t("remark.needed")}
            maxLength={4000}
            rows={4}
            dir="auto"
            value={text}
            onChange={(event) => write(event.currentTarget.value)}
            data-autofocus
          />
          <ProblemNote error={sending.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t("common.cancel")}
            </Button>
            <Button type="submit" loading={sending.isPending}>
              {t("remark.send")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
