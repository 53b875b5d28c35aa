import { Button, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { Confirm } from "@/components/confirm";
import { Note, ProblemNote } from "@/components/notes";
import { Page } from "@/components/page";
import { asProblem } from "@/lib/api/problem";
import { useFormat } from "@/lib/format";
import { useMe } from "@/lib/me";
import { changePassword, signOutEverywhere } from "./api";
import { Comfort } from "./comfort";
import { Tokens } from "./tokens";

export function AccountPage() {
  const { t } = useTranslation();
  const me = useMe();
  const roles = new Intl.ListFormat(useFormat().language, { type: "conjunction" });
  return (
    <Page
      title={me.name || me.username}
      note={t("account.rolesAre", { roles: roles.format(me.roles.map((role) => t(`role.${role}`))) })}
    >
      <Stack gap={48}>
        <Comfort />
        <Tokens />
        <Password />
        <Everywhere />
      </Stack>
    </Page>
  );
}

function Password() {
  const { t } = useTranslation();
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const changing = useMutation({
    mutationFn: changePassword,
    onSuccess: () => {
      setOld("");
      setFresh("");
    },
  });
  const problem = changing.error ? asProblem(changing.error) : null;
  const inFields = problem?.reasonFor("old_password") ?? problem?.reasonFor("new_password");

  function submit(event: FormEvent) {
    event.preventDefault();
    changing.mutate({ old_password: old, new_password: fresh });
  }

  return (
    <section>
      <Title order={2} mb="xs">
        {t("password.title")}
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        {t("password.what")}
      </Text>
      <form onSubmit={submit}>
        <Stack maw={352}>
          <PasswordInput
            label={t("password.old")}
            autoComplete="current-password"
            required
            withAsterisk={false}
            value={old}
            error={problem?.reasonFor("old_password")}
            onChange={(event) => setOld(event.currentTarget.value)}
          />
          <PasswordInput
            label={t("password.new")}
            autoComplete="new-password"
            required
            withAsterisk={false}
            value={fresh}
            error={problem?.reasonFor("new_password")}
            onChange={(event) => setFresh(event.currentTarget.value)}
          />
          {!inFields && <ProblemNote error={changing.error} />}
          {changing.isSuccess && <Note look="success">{t("password.changed")}</Note>}
          <Button
            type="submit"
            variant="default"
            loading={changing.isPending}
            style={{ alignSelf: "flex-start" }}
          >
            {t("password.submit")}
          </Button>
        </Stack>
      </form>
    </section>
  );
}

/** For whoever left a session open somewhere, or lost a device. */
function Everywhere() {
  const { t } = useTranslation();
  const [isAsking, setAsking] = useState(false);
  const leaving = useMutation({
    mutationFn: signOutEverywhere,
    onSuccess: () => window.location.assign("/sign-in"),
  });
  return (
    <section>
      <Title order={2} mb="xs">
        {t("everywhere.title")}
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        {t("everywhere.what")}
      </Text>
      <Button variant="default" onClick={() => setAsking(true)}>
        {t("everywhere.verb")}
      </Button>
      {isAsking && (
        <Confirm
          title={t("everywhere.ask")}
          text={t("everywhere.what")}
          verb={t("everywhere.verb")}
          isPending={leaving.isPending}
          error={leaving.error}
          onConfirm={() => leaving.mutate()}
          onClose={() => setAsking(false)}
        />
      )}
    </section>
  );
}
