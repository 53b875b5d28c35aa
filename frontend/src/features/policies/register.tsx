import { TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { FormDialog } from "@/components/form-dialog";
import { useUnsavedForm } from "@/components/unsaved";
import { keys } from "@/lib/keys";
import { registerPolicy } from "./api";

const NOTHING = { name: "", path: "" };

/** Makes a model that lies on the server a policy. */
export function Register({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const form = useUnsavedForm("policy.new", NOTHING);
  const { name, path } = form.fields;
  const registering = useMutation({
    mutationFn: registerPolicy,
    onSuccess: () => {
      form.discard();
      void queryClient.invalidateQueries({ queryKey: keys.policies });
      onClose();
    },
  });
  return (
    <FormDialog
      title={t("policies.register")}
      what={t("policies.registerText")}
      form={form}
      verb={t("policies.registerSubmit")}
      sending={registering}
      onSubmit={() => registering.mutate({ name: name.trim(), path: path.trim() })}
      onClose={onClose}
    >
      {(reasonFor) => (
        <>
          <TextInput
            label={t("policies.name")}
            required
            withAsterisk={false}
            value={name}
            name="name"
            error={reasonFor("name")}
            onChange={(event) => form.change({ name: event.currentTarget.value })}
            data-autofocus
          />
          <TextInput
            label={t("policies.path")}
            description={t("policies.pathHint")}
            required
            withAsterisk={false}
            spellCheck={false}
            value={path}
            name="path"
            error={reasonFor("path")}
            onChange={(event) => form.change({ path: event.currentTarget.value })}
          />
        </>
      )}
    </FormDialog>
  );
}
