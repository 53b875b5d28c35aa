import { Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, bodyOf } from "@/lib/api/client";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { CardTable } from "./card-table";
import { ProblemNote } from "./notes";
import { Pager } from "./pager";

const PAGE_SIZE = 10;

interface PromotionsProps {
  title: string;
  /** Whose moves: those of a campaign, or those to a policy and away from it. */
  of: { campaign: number } | { policy_version: number };
}

/** Which campaign moved from which policies to which, when, how and by whom; nothing where there was no move. */
export function Promotions({ title, of }: PromotionsProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const [offset, setOffset] = useState(0);
  const query = { ...of, offset, limit: PAGE_SIZE };
  const moves = useQuery({
    queryKey: keys.promotionPage(query),
    queryFn: () => bodyOf(api.GET("/api/promotions", { params: { query } })),
    placeholderData: (before) => before,
  });
  if (!moves.data?.count) return <ProblemNote error={moves.error} retry={() => void moves.refetch()} />;
  const policy = ({ id, name }: { id: number; name: string }) => (
    <div key={id}>
      <Link to={`/policies/${id}`}>{name}</Link>
    </div>
  );
  return (
    <section>
      <Title order={2} mb="md">
        {title}
      </Title>
      <CardTable
        rows={moves.data.results}
        keyOf={(move) => move.id}
        columns={[
          { head: t("promotions.when"), cell: (move) => format.date(move.created_at) },
          {
            head: t("promotions.campaign"),
            cell: (move) => (
              <Link to={`/campaigns/${move.campaign.id}`}>
                <bdi>{move.campaign.name}</bdi>
              </Link>
            ),
          },
          {
            head: t("promotions.from"),
            cell: (move) => (move.replaced.length ? move.replaced.map(policy) : t("promotions.fromNone")),
          },
          { head: t("promotions.to"), cell: (move) => policy(move.policy_version) },
          {
            head: t("promotions.how"),
            cell: (move) => (
              <div>
                {t(`promotions.hows.${move.how}`)}
                {move.round && ` · ${move.round.name}`}
              </div>
            ),
          },
          { head: t("promotions.by"), cell: (move) => move.promoted_by ?? t("promotions.byItself") },
        ]}
      />
      <Pager offset={offset} size={PAGE_SIZE} count={moves.data.count} onChange={setOffset} />
    </section>
  );
}
