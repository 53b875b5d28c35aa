import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import { useKeyGroups } from "@/lib/keyboard/use-keys";
import { type Found, useThings } from "./palette-things";

export interface PageName {
  to: string;
  label: string;
}

/** What can be done here with a key, and the pages. */
function useCommands(pages: PageName[]): Found[] {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const groups = useKeyGroups();
  return useMemo(() => {
    const deeds: Found[] = [...groups].reverse().flatMap(({ title, bindings }) =>
      bindings
        // Those that stand for several keys need to know which.
        .filter(({ label, shownAs }) => label && !shownAs)
        .map(({ label = "", keys, run }) => ({
          key: `${title}.${label}`,
          name: label,
          about: title,
          keys: [keys].flat()[0] ?? "",
          run: () => run(new KeyboardEvent("keydown")),
        })),
    );
    const places: Found[] = pages.map(({ to, label }) => ({
      key: to,
      name: label,
      about: t("palette.page"),
      keys: "",
      run: () => void navigate(to),
    }));
    return [...deeds, ...places];
  }, [groups, pages, navigate, t]);
}

/** Everything in whose name, or in what it is, each word that was asked for occurs. */
export function useMatching(asked: string, pages: PageName[]): Found[] {
  const { i18n } = useTranslation();
  const commands = useCommands(pages);
  const things = useThings(asked);
  const plain = (text: string) =>
    text
      .normalize("NFD")
      .replace(/\p{Diacritic}/gu, "")
      .toLocaleLowerCase(i18n.language);
  const words = plain(asked).split(/\s+/).filter(Boolean);
  // Until something is asked for, only what there is a handful of: one's own work, beside what can be done.
  const offered = words.length ? things : things.filter(({ key }) => key.startsWith("work."));
  return [...commands, ...offered].filter(({ name, about }) =>
    words.every((word) => plain(`${name} ${about}`).includes(word)),
  );
}
