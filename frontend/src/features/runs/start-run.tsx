import { NativeSelect, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import { ConfigField, configOf } from "@/components/config-field";
import { FormDialog } from "@/components/form-dialog";
import { useUnsavedForm } from "@/components/unsaved";
import type { RunKind } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { NEWEST } from "@/lib/queries";
import { createRun, RUN_KINDS } from "./api";
import { type Chosen, useRunInputs } from "./run-inputs";

const NOTHING = { kind: "sft" as RunKind, chosen: {} as Chosen, config: "" };

/** Starts a single run. */
export function StartRun({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const form = useUnsavedForm("run.new", NOTHING);
  const { kind, chosen, config } = form.fields;
  const inputs = useRunInputs(kind, chosen);
  const settings = configOf(config);
  const starting = useMutation({
    mutationFn: createRun,
    onSuccess: (run) => {
      form.discard();
      void queryClient.invalidateQueries({ queryKey: keys.runs });
      void navigate(`/runs/${run.id}`);
    },
  });

  function submit() {
    if (!settings) return;
    const given = inputs.map(({ name, value }) => [name, Number(value) || null]);
    starting.mutate({ kind, config: settings, policy: 0, ...Object.fromEntries(given) });
  }

  return (
    <FormDialog
      title={t("runs.start")}
      form={form}
      verb={t("runs.start")}
      isIncomplete={!settings || !inputs.every(({ isOptional, value }) => isOptional || value)}
      sending={starting}
      onSubmit={submit}
      onClose={onClose}
    >
      {() => (
        <>
          <NativeSelect
            label={t("runs.kind")}
            value={kind}
            data={RUN_KINDS.map((value) => ({ value, label: t(`runs.kinds.${value}`) }))}
            onChange={(event) => form.change({ kind: event.currentTarget.value as RunKind })}
          />
          <Text size="sm" c="dimmed">
            {t(`runs.what.${kind}`)}
          </Text>
          {inputs.map(({ name, value, options, isOptional, missing, isCut }) => (
            <NativeSelect
              key={name}
              label={t(`runs.input.${name}`)}
              description={isCut ? t("common.onlyNewest", { number: format.number(NEWEST) }) : undefined}
              error={missing}
              value={value}
              onChange={(event) => form.change({ chosen: { ...chosen, [name]: event.currentTarget.value } })}
              data={[...(isOptional ? [{ value: "", label: t("runs.sameAsPolicy") }] : []), ...options]}
            />
          ))}
          <ConfigField
            text={config}
            onChange={(text) => form.change({ config: text })}
            placeholder='{"learning_rate": 2e-5}'
          />
        </>
      )}
    </FormDialog>
  );
}
