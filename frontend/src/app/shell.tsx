import { ActionIcon } from "@mantine/core";
import { CircleQuestionMark, Search } from "lucide-react";
import { Suspense, useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, Navigate, NavLink, Outlet, useLocation } from "react-router";
import { Mark } from "@/components/mark";
import { ProblemNote, Waiting } from "@/components/notes";
import { AccountMenu } from "@/features/accounts/account-menu";
import { SignInDialog } from "@/features/accounts/sign-in-dialog";
import { sendAs } from "@/lib/api/client";
import { outbox } from "@/lib/drafts/outbox";
import { setLanguage } from "@/lib/i18n";
import { setOwnKeys } from "@/lib/keyboard/own-keys";
import { useKeys } from "@/lib/keyboard/use-keys";
import { may, useMaybeMe, useMe } from "@/lib/me";
import { AREAS } from "./areas";
import { HelpSheet } from "./help-sheet";
import { Palette } from "./palette";
import classes from "./shell.module.css";

/** What surrounds every page once someone is signed in: where I am, my account, help. */
export function Shell() {
  const me = useMaybeMe();
  const location = useLocation();
  const language = me.data?.language;
  useEffect(() => {
    if (language) void setLanguage(language);
  }, [language]);
  if (me.isPending) return null;
  if (me.error) {
    return (
      <main className={classes.alone}>
        <ProblemNote error={me.error} retry={() => void me.refetch()} />
      </main>
    );
  }
  if (!me.data) {
    const next =
      location.pathname === "/" ? "" : `?next=${encodeURIComponent(location.pathname + location.search)}`;
    return <Navigate to={`/sign-in${next}`} replace />;
  }
  return <SignedIn />;
}

function SignedIn() {
  const { t } = useTranslation();
  const me = useMe();
  const [isHelpOpen, setHelpOpen] = useState(false);
  const [isFinding, setFinding] = useState(false);
  useEffect(() => {
    sendAs(me.id);
    return outbox.start(me.id);
  }, [me.id]);
  const { text_size: textSize, keys } = me.preferences;
  // Before the page below is drawn, which shows them.
  useMemo(() => setOwnKeys(keys ?? {}), [keys]);
  useEffect(() => {
    document.documentElement.dataset.textSize = textSize ?? "normal";
  }, [textSize]);
  useKeys(t("keys.everywhere"), [
    { keys: "mod+k", whileTyping: true, run: () => setFinding(true) },
    { keys: "/", label: t("palette.title"), run: () => setFinding(true) },
    { keys: "?", label: t("keys.help"), run: () => setHelpOpen(true) },
  ]);
  const links = [
    { to: "/", label: t("nav.work") },
    ...AREAS.filter(({ needs }) => may(me, needs)).map(({ to, label }) => ({ to, label: t(label) })),
  ];

  return (
    <>
      <a href="#main" className={classes.skip}>
        {t("nav.skip")}
      </a>
      <header className={classes.bar}>
        <Link to="/" className={classes.name} aria-label="Parley">
          <Mark size={28} />
          <span>Parley</span>
        </Link>
        {links.length > 1 && (
          <nav className={classes.links} aria-label={t("nav.label")}>
            {links.map((link) => (
              <NavLink key={link.to} to={link.to} end={link.to === "/"}>
                {link.label}
              </NavLink>
            ))}
          </nav>
        )}
        <span className={classes.space} />
        <ActionIcon
          variant="subtle"
          color="gray"
          size="lg"
          aria-label={t("palette.title")}
          title={t("palette.title")}
          aria-keyshortcuts="Control+K Meta+K"
          onClick={() => setFinding(true)}
        >
          <Search size={20} />
        </ActionIcon>
        <ActionIcon
          variant="subtle"
          color="gray"
          size="lg"
          aria-label={t("keys.help")}
          title={t("keys.help")}
          aria-keyshortcuts="?"
          onClick={() => setHelpOpen(true)}
        >
          <CircleQuestionMark size={20} />
        </ActionIcon>
        <AccountMenu />
      </header>
      <main id="main" className={classes.main} tabIndex={-1}>
        <Suspense
          fallback={
            <div className={classes.waiting}>
              <Waiting lines={4} />
            </div>
          }
        >
          <Outlet />
        </Suspense>
      </main>
      {isHelpOpen && <HelpSheet onClose={() => setHelpOpen(false)} />}
      {isFinding && (
        <Palette
          pages={[...links, { to: "/account", label: t("account.page") }]}
          onClose={() => setFinding(false)}
        />
      )}
      <SignInDialog />
    </>
  );
}
