import {
  ActionIcon,
  Button,
  Code,
  CopyButton,
  Group,
  PasswordInput,
  Stack,
  Table,
  Text,
  Title,
} from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { Empty, Note, ProblemNote, Waiting } from "@/components/notes";
import { Page } from "@/components/page";
import { asProblem } from "@/lib/api/problem";
import { useFormat } from "@/lib/format";
import { useMe } from "@/lib/me";
import { changePassword, dropToken, listTokens, makeToken } from "./api";
import { Comfort } from "./comfort";

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
      </Stack>
    </Page>
  );
}

function Tokens() {
  const { t } = useTranslation();
  const format = useFormat();
  const queryClient = useQueryClient();
  const tokens = useQuery({ queryKey: ["tokens"], queryFn: listTokens });
  const reload = () => queryClient.invalidateQueries({ queryKey: ["tokens"] });
  const making = useMutation({ mutationFn: makeToken, onSuccess: reload });
  const dropping = useMutation({ mutationFn: dropToken, onSuccess: reload });

  return (
    <section>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{t("tokens.title")}</Title>
        <Button variant="default" onClick={() => making.mutate()} loading={making.isPending}>
          {t("tokens.make")}
        </Button>
      </Group>
      <Text size="sm" c="dimmed" mb="md">
        {t("tokens.what")}
      </Text>
      {making.data && (
        <Note look="success" title={t("tokens.madeTitle")}>
          <Group gap="sm">
            <Code style={{ overflowWrap: "anywhere" }}>{making.data.token}</Code>
            <CopyButton value={making.data.token}>
              {({ copied, copy }) => (
                <Button size="xs" variant="default" onClick={copy}>
                  {copied ? t("common.copied") : t("common.copy")}
                </Button>
              )}
            </CopyButton>
          </Group>
        </Note>
      )}
      <ProblemNote error={tokens.error ?? making.error ?? dropping.error} />
      {tokens.isPending && <Waiting />}
      {tokens.data?.length === 0 && <Empty title={t("tokens.none")} />}
      {tokens.data && tokens.data.length > 0 && (
        <Table mt="md">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("tokens.begins")}</Table.Th>
              <Table.Th>{t("common.created")}</Table.Th>
              <Table.Th>{t("tokens.expires")}</Table.Th>
              <Table.Th pos="relative">
                <span className="visually-hidden">{t("common.actions")}</span>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {tokens.data.map((token) => (
              <Table.Tr key={token.id}>
                <Table.Td>
                  <Code>{token.id}…</Code>
                </Table.Td>
                <Table.Td>{format.date(token.created_at)}</Table.Td>
                <Table.Td>{token.expires_at ? format.date(token.expires_at) : t("tokens.never")}</Table.Td>
                <Table.Td align="right">
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    aria-label={t("tokens.revoke", { id: token.id })}
                    onClick={() => dropping.mutate(token.id)}
                  >
                    <Trash2 size={16} />
                  </ActionIcon>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </section>
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
      <Title order={2} mb="sm">
        {t("password.title")}
      </Title>
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
