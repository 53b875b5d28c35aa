import { Button, Group, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { asProblem } from "@/lib/api/problem";
import { Dialog } from "./dialog";
import { Form } from "./form";
import { ProblemNote } from "./notes";
import { type UnsavedForm, UnsavedLine } from "./unsaved";

interface FormDialogProps<Fields extends object> {
  title: string;
  /** What it does, in a sentence or two. */
  what?: string;
  /** What is written here: it outlives the dialog until it is sent or thrown away. */
  form: UnsavedForm<Fields>;
  /** The verb on the button. */
  verb: string;
  /** Something that has to be chosen is not there yet. */
  isIncomplete?: boolean;
  sending: { isPending: boolean; error: unknown };
  onSubmit: () => void;
  onClose: () => void;
  /** Is given the reason why a field, by its name, cannot be taken as it is. */
  children: (reasonFor: (name: string) => string | undefined) => ReactNode;
}

/** A few fields over the page, one verb, and the way out. A reason that belongs to a field stands beside it. */
export function FormDialog<Fields extends object>(props: FormDialogProps<Fields>) {
  const { title, what, form, verb, isIncomplete, sending, onSubmit, onClose, children } = props;
  const { t } = useTranslation();
  return (
    <Dialog title={title} onClose={onClose}>
      <Form onSubmit={onSubmit}>
        {(reasonFor) => {
          let isBesideField = false;
          const fields = children((name) => {
            const refused = sending.error ? asProblem(sending.error).reasonFor(name) : undefined;
            isBesideField ||= refused !== undefined;
            return reasonFor(name) ?? refused;
          });
          return (
            <Stack>
              {what && (
                <Text size="sm" c="dimmed">
                  {what}
                </Text>
              )}
              {fields}
              {!isBesideField && <ProblemNote error={sending.error} />}
              <UnsavedLine form={form} />
              <Group justify="flex-end">
                <Button variant="default" onClick={onClose}>
                  {t("common.cancel")}
                </Button>
                <Button type="submit" loading={sending.isPending} disabled={isIncomplete}>
                  {verb}
                </Button>
              </Group>
            </Stack>
          );
        }}
      </Form>
    </Dialog>
  );
}
