import { Button, Group, Stack, Text, useMantineColorScheme } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Check, ChevronDown } from "lucide-react";
import { type ReactNode, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Dialog } from "@/components/dialog";
import { dropWhatIsSaved, numUnsaved } from "@/lib/drafts/leaving";
import { outbox } from "@/lib/drafts/outbox";
import { languages, nameOfLanguage, setLanguage } from "@/lib/i18n";
import { meQuery, useMe } from "@/lib/me";
import classes from "./account-menu.module.css";
import { changeMe, signOut } from "./api";

const SCHEMES = ["light", "dark", "auto"] as const;

/** My account: who I am, language, appearance, tokens, sign out. The browser opens, closes and layers it. */
export function AccountMenu() {
  const { t, i18n } = useTranslation();
  const me = useMe();
  const id = useId();
  const queryClient = useQueryClient();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [unsaved, setUnsaved] = useState(0);
  const name = me.name || me.username;

  async function choose(language: string) {
    await setLanguage(language);
    queryClient.setQueryData(meQuery.queryKey, await changeMe({ language: language as "en" }));
  }

  async function leave(isSure: boolean) {
    // The dialog stands behind an open menu.
    close();
    await outbox.flush();
    const unsaved = numUnsaved(me.id);
    if (unsaved > 0 && !isSure) {
      setUnsaved(unsaved);
      return;
    }
    // Whoever cannot be signed out is so already, or somebody else is signed in here now.
    await signOut().catch(() => undefined);
    dropWhatIsSaved(me.id);
    window.location.assign("/sign-in");
  }

  const close = () => document.getElementById(id)?.hidePopover();
  return (
    <>
      <button
        type="button"
        className={classes.target}
        popoverTarget={id}
        aria-label={t("account.menu", { name })}
      >
        <span className={classes.initial} aria-hidden="true">
          {name.charAt(0).toLocaleUpperCase()}
        </span>
        <ChevronDown size={16} aria-hidden="true" />
      </button>
      <div id={id} popover="auto" className={classes.menu}>
        <p className={classes.name}>
          <bdi>{name}</bdi>
        </p>
        <Link to="/account" onClick={close}>
          {t("account.page")}
        </Link>
        {me.roles.includes("admin") && <a href="/admin/">{t("account.djangoAdmin")}</a>}
        <Choices label={t("account.language")}>
          {languages.map((tag) => (
            <Choice
              key={tag}
              language={tag}
              isChosen={i18n.language === tag}
              onChoose={() => void choose(tag)}
            >
              {nameOfLanguage(tag)}
            </Choice>
          ))}
        </Choices>
        <Choices label={t("account.appearance")}>
          {SCHEMES.map((scheme) => (
            <Choice key={scheme} isChosen={colorScheme === scheme} onChoose={() => setColorScheme(scheme)}>
              {t(`account.scheme.${scheme}`)}
            </Choice>
          ))}
        </Choices>
        <button type="button" className={classes.leave} onClick={() => void leave(false)}>
          {t("account.signOut")}
        </button>
      </div>
      {unsaved > 0 && (
        <Dialog title={t("account.unsavedTitle")} onClose={() => setUnsaved(0)}>
          <Stack>
            <Text size="sm">{t("account.unsaved", { count: unsaved })}</Text>
            <Group justify="flex-end">
              <Button variant="default" onClick={() => void leave(true)}>
                {t("account.signOutAnyway")}
              </Button>
              <Button onClick={() => setUnsaved(0)}>{t("account.stay")}</Button>
            </Group>
          </Stack>
        </Dialog>
      )}
    </>
  );
}

function Choices({ label, children }: { label: string; children: ReactNode }) {
  return (
    <fieldset className={classes.choices}>
      <legend>{label}</legend>
      {children}
    </fieldset>
  );
}

interface ChoiceProps {
  language?: string;
  isChosen: boolean;
  onChoose: () => void;
  children: ReactNode;
}

function Choice({ language, isChosen, onChoose, children }: ChoiceProps) {
  return (
    <button type="button" lang={language} aria-pressed={isChosen} onClick={onChoose}>
      {children}
      {isChosen && <Check size={16} aria-hidden="true" />}
    </button>
  );
}
