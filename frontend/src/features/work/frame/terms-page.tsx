import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Markdown } from "@/components/markdown/markdown";
import { ProblemNote, Waiting } from "@/components/notes";
import { asProblem } from "@/lib/api/problem";
import { keys } from "@/lib/keys";
import { termsQuery } from "@/lib/queries";
import { giveConsent } from "./api";
import classes from "./work-page.module.css";

interface TermsPageProps {
  campaignId: number;
  name: string | undefined;
  onAgreed: () => void;
}

/** What somebody agrees to before their first unit here; the work follows at once. */
export function TermsPage({ campaignId, name, onAgreed }: TermsPageProps) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const terms = useQuery({ ...termsQuery(campaignId), staleTime: 0 });
  const heading = useRef<HTMLHeadingElement>(null);
  const agreeing = useMutation({
    mutationFn: (version: number) => giveConsent(campaignId, version),
    onSuccess: () => {
      void queryClient.invalidateQueries({ queryKey: keys.campaigns });
      onAgreed();
    },
    // They may have been written anew while they were read here.
    onError: (error) => asProblem(error).status === 409 && void terms.refetch(),
  });
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);

  return (
    <article className={classes.terms}>
      <h1 ref={heading} tabIndex={-1}>
        {t("terms.before")}
      </h1>
      {name && (
        <h2 className={classes.termsOf}>
          <bdi>{name}</bdi>
        </h2>
      )}
      {terms.isPending && <Waiting lines={6} />}
      <ProblemNote error={terms.error} retry={() => void terms.refetch()} />
      {terms.data && (
        <>
          <div className={classes.termsText}>
            <Markdown text={terms.data.text} />
          </div>
          <ProblemNote error={agreeing.error} />
          <div className={classes.termsActions}>
            <Button
              size="md"
              loading={agreeing.isPending}
              onClick={() => agreeing.mutate(terms.data.version)}
            >
              {t("terms.agree")}
            </Button>
            <Button size="md" variant="default" component={Link} to="/">
              {t("terms.notNow")}
            </Button>
          </div>
          <p className={classes.termsNote}>{t("terms.what")}</p>
        </>
      )}
    </article>
  );
}
