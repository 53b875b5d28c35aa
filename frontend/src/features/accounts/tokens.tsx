import {
  ActionIcon,
  Button,
  Code,
  CopyButton,
  Group,
  NativeSelect,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { type UseMutationResult, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { CardTable } from "@/components/card-table";
import { Confirm } from "@/components/confirm";
import { Empty, Note, ProblemNote, Waiting } from "@/components/notes";
import { asProblem } from "@/lib/api/problem";
import type { Token } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { dropToken, listTokens, makeToken } from "./api";

const DAYS = [7, 30, 90, 365];

/** My tokens for programs: what each is for, when it ends, and how to end it now. */
export function Tokens() {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const tokens = useQuery({ queryKey: keys.tokens, queryFn: listTokens });
  const reload = () => queryClient.invalidateQueries({ queryKey: keys.tokens });
  const making = useMutation({ mutationFn: makeToken, onSuccess: reload });
  const [ending, setEnding] = useState<Token | null>(null);
  const dropping = useMutation({
    mutationFn: dropToken,
    onSuccess: (_, id) => {
      if (making.data?.id === id) making.reset();
      setEnding(null);
      return reload();
    },
  });

  return (
    <section>
      <Title order={2} mb="xs">
        {t("tokens.title")}
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        {t("tokens.what")}
      </Text>
      <NewToken making={making} />
      {making.data && <Made token={making.data.token} />}
      <ProblemNote error={tokens.error} />
      {tokens.isPending && <Waiting />}
      {tokens.data?.length === 0 && <Empty title={t("tokens.none")} />}
      {tokens.data && tokens.data.length > 0 && (
        <TokenTable
          tokens={tokens.data}
          onEnd={(token) => {
            dropping.reset();
            setEnding(token);
          }}
        />
      )}
      {ending && (
        <Confirm
          title={t("tokens.endTitle", { name: ending.name || ending.id })}
          text={t("tokens.endText")}
          verb={t("tokens.end")}
          isPending={dropping.isPending}
          error={dropping.error}
          onConfirm={() => dropping.mutate(ending.id)}
          onClose={() => setEnding(null)}
        />
      )}
    </section>
  );
}

function NewToken({ making }: { making: UseMutationResult<unknown, Error, { name: string; days: number }> }) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [days, setDays] = useState(90);
  const reason = making.error ? asProblem(making.error).reasonFor("name") : undefined;

  function submit(event: FormEvent) {
    event.preventDefault();
    making.mutate({ name: name.trim(), days }, { onSuccess: () => setName("") });
  }

  return (
    <form onSubmit={submit}>
      <Group align="flex-end" gap="sm" mb="md">
        <TextInput
          label={t("tokens.name")}
          placeholder={t("tokens.nameExample")}
          required
          withAsterisk={false}
          maxLength={100}
          value={name}
          error={reason}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <NativeSelect
          label={t("tokens.lasts")}
          value={days}
          onChange={(event) => setDays(Number(event.currentTarget.value))}
          data={DAYS.map((count) => ({ value: String(count), label: t("tokens.days", { count }) }))}
        />
        <Button type="submit" variant="default" loading={making.isPending}>
          {t("tokens.make")}
        </Button>
      </Group>
      {!reason && <ProblemNote error={making.error} />}
    </form>
  );
}

/** The one time that a token is shown. */
function Made({ token }: { token: string }) {
  const { t } = useTranslation();
  return (
    <Note look="success" title={t("tokens.madeTitle")}>
      <Group gap="sm">
        <Code style={{ overflowWrap: "anywhere" }}>{token}</Code>
        <CopyButton value={token}>
          {({ copied, copy }) => (
            <Button size="xs" variant="default" onClick={copy}>
              {copied ? t("common.copied") : t("common.copy")}
            </Button>
          )}
        </CopyButton>
      </Group>
    </Note>
  );
}

function TokenTable({ tokens, onEnd }: { tokens: Token[]; onEnd: (token: Token) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <CardTable
      rows={tokens}
      keyOf={(token) => token.id}
      columns={[
        { head: t("tokens.name"), cell: (token) => <bdi>{token.name || t("tokens.nameless")}</bdi> },
        { head: t("tokens.begins"), cell: (token) => <Code>{token.id}…</Code> },
        { head: t("common.created"), cell: (token) => format.date(token.created_at) },
        { head: t("tokens.expires"), cell: (token) => token.expires_at && format.date(token.expires_at) },
        {
          head: t("common.actions"),
          isActions: true,
          cell: (token) => (
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label={t("tokens.endThis", { name: token.name || token.id })}
              onClick={() => onEnd(token)}
            >
              <Trash2 size={16} />
            </ActionIcon>
          ),
        },
      ]}
    />
  );
}
