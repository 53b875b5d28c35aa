import { Button, Group, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Empty, ProblemNote, Waiting } from "@/components/notes";
import { useFormat } from "@/lib/format";
import { may, useMe } from "@/lib/me";
import { ROUNDS_AT_FIRST, roundsQuery } from "./api";
import { RoundCard } from "./round-card";
import classes from "./rounds.module.css";

export function Rounds() {
  const { t } = useTranslation();
  const format = useFormat();
  const me = useMe();
  const [limit, setLimit] = useState(ROUNDS_AT_FIRST);
  const rounds = useQuery(roundsQuery(limit));
  const { results = [], count = 0 } = rounds.data ?? {};
  return (
    <section>
      <Title order={2} mb="sm">
        {t("rounds.title")}
      </Title>
      {rounds.isPending && <Waiting />}
      <ProblemNote error={rounds.error} retry={() => void rounds.refetch()} />
      {rounds.data && !count && <Empty title={t("rounds.none")}>{t("rounds.noneText")}</Empty>}
      {results.map((round) => (
        <RoundCard key={round.id} round={round} canCancel={may(me, "cancel_round")} />
      ))}
      {results.length < count && (
        <Group gap="sm">
          <Button
            variant="default"
            size="xs"
            loading={rounds.isPlaceholderData}
            onClick={() => setLimit(limit + 4 * ROUNDS_AT_FIRST)}
          >
            {t("rounds.more")}
          </Button>
          <span className={classes.quiet}>
            {t("rounds.shown", { shown: format.number(results.length), total: format.number(count) })}
          </span>
        </Group>
      )}
    </section>
  );
}
