import { useTranslation } from "react-i18next";
import { letters } from "@/lib/keyboard/letters";
import type { KeyBinding } from "@/lib/keyboard/use-keys";
import type { View } from "./use-view";

/** The keys that lead from one completion to the other; `step` goes on or back by so many. */
export function useGoingKeys(
  ids: readonly number[],
  goTo: (id: number) => void,
  step: (by: number) => void,
): KeyBinding[] {
  const { t } = useTranslation();
  const names = letters(ids.length);
  return [
    {
      keys: names,
      shownAs: `A … ${names.at(-1)}`,
      label: t("ranking.keys.letter"),
      run: (event) => {
        const id = ids[names.indexOf(event.key.toUpperCase())];
        if (id !== undefined) goTo(id);
      },
    },
    { keys: "j", label: t("ranking.keys.next"), run: () => step(1) },
    { keys: "k", label: t("ranking.keys.previous"), run: () => step(-1) },
  ];
}

/** The keys for how they are looked at. */
export function useViewKeys(view: View, current: number): KeyBinding[] {
  const { t } = useTranslation();
  return [
    {
      keys: "l",
      label: t("ranking.view.columns"),
      run: () => view.choose(view.layout === "list" ? "columns" : "list"),
    },
    ...(view.layout === "columns"
      ? [{ keys: "y", label: t("ranking.view.together"), run: view.toggleTogether }]
      : []),
    { keys: "u", label: t("ranking.view.focus"), run: view.toggleFocus },
    { keys: "z", label: t("ranking.view.differences"), run: () => view.toggleBase(current) },
    { keys: "x", label: t("ranking.keys.fold"), run: () => view.fold(current) },
    { keys: "v", label: t("text.raw"), run: view.toggleRaw },
  ];
}
