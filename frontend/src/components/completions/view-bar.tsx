import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { KeyHint } from "@/components/key-hint";
import { ariaKey } from "@/lib/keyboard/own-keys";
import classes from "./completions.module.css";
import type { View } from "./use-view";

interface ViewBarProps {
  view: View;
  ids: number[];
  current: number | undefined;
  letterOf: (id: number) => string;
  children?: ReactNode;
}

/** How the texts are looked at. */
export function ViewBar({ view, ids, current, letterOf, children }: ViewBarProps) {
  const { t } = useTranslation();
  const inColumns = view.layout === "columns";
  return (
    <div className={classes.viewBar} role="toolbar" aria-label={t("ranking.view.label")}>
      {children}
      <Toggle
        label={t("ranking.view.columns")}
        keys="l"
        isOn={inColumns}
        needsRoom
        onToggle={() => view.choose(inColumns ? "list" : "columns")}
      />
      {inColumns && (
        <Toggle
          label={t("ranking.view.together")}
          keys="y"
          isOn={view.scrollsTogether}
          needsRoom
          onToggle={view.toggleTogether}
        />
      )}
      <Toggle label={t("ranking.view.focus")} keys="u" isOn={view.isFocused} onToggle={view.toggleFocus} />
      <Toggle
        label={
          view.base === null
            ? t("ranking.view.differences")
            : t("ranking.view.differencesFrom", { letter: letterOf(view.base) })
        }
        keys="z"
        isOn={view.base !== null}
        onToggle={() => current !== undefined && view.toggleBase(current)}
      />
      <Toggle label={t("ranking.view.fold")} isOn={view.folded.size > 0} onToggle={() => view.foldAll(ids)} />
      <Toggle label={t("text.raw")} keys="v" isOn={view.isRaw} onToggle={view.toggleRaw} />
    </div>
  );
}

interface ToggleProps {
  label: string;
  keys?: string;
  /** Absent where it does something instead of being on or off. */
  isOn?: boolean;
  /** Of no use on a phone. */
  needsRoom?: boolean;
  onToggle: () => void;
}

/** A quiet button, with its key. */
export function Toggle({ label, keys, isOn, needsRoom, onToggle }: ToggleProps) {
  return (
    <button
      type="button"
      className={classes.quietButton}
      data-needs-room={needsRoom || undefined}
      aria-pressed={isOn}
      aria-keyshortcuts={keys && ariaKey(keys)}
      onClick={onToggle}
    >
      {label}
      {keys && <KeyHint keys={keys} />}
    </button>
  );
}
