import { Button, Group, Stack, Textarea } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Form } from "@/components/form";
import { ProblemNote } from "@/components/notes";
import { type UnsavedForm, UnsavedLine } from "@/components/unsaved";
import { asProblem } from "@/lib/api/problem";
import { useKinds } from "@/lib/kinds";
import type { CampaignFields } from "./campaign-fields";
import classes from "./campaigns.module.css";
import { Asked } from "./settings/asked";
import { bound as boundTo, isInFields } from "./settings/fields";
import { Identity } from "./settings/identity";
import { Sampling } from "./settings/sampling";
import { Working } from "./settings/working";

interface CampaignFormProps {
  form: UnsavedForm<CampaignFields>;
  isNew: boolean;
  error: unknown;
  isPending: boolean;
  /** What is said once it is saved. */
  saved?: ReactNode;
  onSubmit: (fields: CampaignFields) => void;
}

/** A campaign's settings. Its kind stays as it was made: the units were made for it. */
export function CampaignForm(props: CampaignFormProps) {
  return (
    <Form onSubmit={() => props.onSubmit(props.form.fields)}>
      {(reasonFor) => <Fields {...props} reasonFor={reasonFor} />}
    </Form>
  );
}

interface FieldsProps extends CampaignFormProps {
  reasonFor: (name: string) => string | undefined;
}

function Fields({ form, isNew, error, isPending, saved, reasonFor }: FieldsProps) {
  const { t } = useTranslation();
  const kind = useKinds()[form.fields.kind];
  const problem = error ? asProblem(error) : null;
  const bound = boundTo(form, kind, problem, reasonFor);
  return (
    <>
      <div className={classes.form}>
        <Stack gap="xl">
          <Identity bound={bound} isNew={isNew} />
          <Working bound={bound} />
        </Stack>
        <Stack gap="xl">
          <Asked bound={bound} />
          {bound.has("sampling") && <Sampling bound={bound} />}
          {isNew && (
            <Textarea
              label={t("guidelines.title")}
              description={t("campaigns.guidelinesHint")}
              rows={8}
              dir="auto"
              {...bound.field("guidelines", "guidelines_text")}
            />
          )}
        </Stack>
      </div>
      <Stack mt="xl">
        {!isInFields(problem) && <ProblemNote error={error} />}
        {!form.isChanged && saved}
        <Group>
          <Button type="submit" loading={isPending}>
            {isNew ? t("campaigns.create") : t("common.save")}
          </Button>
          <UnsavedLine form={form} />
        </Group>
      </Stack>
    </>
  );
}
