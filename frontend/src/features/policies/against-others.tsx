import { Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Interval } from "@/components/figures/figures";
import { ProblemNote } from "@/components/notes";
import { useFormat } from "@/lib/format";
import { comparisonsQuery } from "./api";
import classes from "./policies.module.css";

/** How people judged this policy against each other that it met in a comparison campaign. */
export function AgainstOthers({ policyId }: { policyId: number }) {
  const { t } = useTranslation();
  const format = useFormat();
  const met = useQuery(comparisonsQuery(policyId));
  if (!met.data?.length) return <ProblemNote error={met.error} retry={() => void met.refetch()} />;
  return (
    <section>
      <Title order={2} mb="md">
        {t("arena.title")}
      </Title>
      {met.data.map((against) => {
        const words = t("arena.share", {
          share: format.percent(against.share),
          low: format.percent(against.share_low),
          high: format.percent(against.share_high),
          rival: against.rival.name,
        });
        return (
          <article key={against.rival.id} className={classes.evaluation}>
            <p style={{ margin: 0 }}>{words}</p>
            <Interval
              low={against.share_low}
              high={against.share_high}
              value={against.share}
              threshold={0.5}
              label={words}
            />
            <p className={classes.quiet}>
              {t("arena.counts", {
                wins: format.number(against.num_wins),
                losses: format.number(against.num_losses),
                ties: format.number(against.num_ties),
              })}
            </p>
          </article>
        );
      })}
    </section>
  );
}
