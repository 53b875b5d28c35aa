import { Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { Navigate, useSearchParams } from "react-router";
import { Mark } from "@/components/mark";
import { usePageTitle } from "@/components/page";
import { meQuery, useMaybeMe } from "@/lib/me";
import { LanguageButtons } from "./language-buttons";
import { SignInForm } from "./sign-in-form";
import classes from "./sign-in-page.module.css";

export function SignInPage() {
  const { t } = useTranslation();
  const me = useMaybeMe();
  const [search] = useSearchParams();
  const queryClient = useQueryClient();
  usePageTitle(t("signIn.title"));
  const next = search.get("next") ?? "/";
  if (me.data) {
    if (next.startsWith("/admin/")) return <Elsewhere to={next} />;
    // Only an address of our own, never another site's.
    return <Navigate to={/^\/(?![/\\])/.test(next) ? next : "/"} replace />;
  }

  return (
    <main className={classes.page}>
      <section className={classes.words}>
        <div className={classes.name}>
          <Mark size={40} />
          <span>Parley</span>
        </div>
        <p className={classes.line}>{t("signIn.line")}</p>
        <ol className={classes.loop}>
          <li>{t("signIn.loop.write")}</li>
          <li>{t("signIn.loop.judge")}</li>
          <li>{t("signIn.loop.learn")}</li>
        </ol>
      </section>
      <section className={classes.form}>
        <div className={classes.formInner}>
          <Title order={1} mb="lg">
            {t("signIn.title")}
          </Title>
          <SignInForm onSignedIn={(user) => queryClient.setQueryData(meQuery.queryKey, user)} />
          <LanguageButtons />
        </div>
      </section>
    </main>
  );
}

/** A page of this site that is none of the app's. */
function Elsewhere({ to }: { to: string }) {
  useEffect(() => window.location.replace(to), [to]);
  return null;
}
