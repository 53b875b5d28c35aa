import { Check } from "lucide-react";
import { useTranslation } from "react-i18next";
import classes from "./ranking.module.css";

interface FlagButtonsProps {
  flags: string[];
  raised: string[];
  letter: string;
  onToggle: (flag: string) => void;
}

/** What may be wrong with a completion, each said or not said. */
export function FlagButtons({ flags, raised, letter, onToggle }: FlagButtonsProps) {
  const { t, i18n } = useTranslation();
  if (flags.length === 0) return null;

  /** Known flags are translated; a campaign's own are shown as written. */
  function named(flag: string): string {
    const key = `flag.${flag}`;
    return i18n.exists(key) ? String(i18n.t(key as "flag.harmful")) : flag.replaceAll("_", " ");
  }

  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset's legend would take a line of its own
    <div className={classes.flags} role="group" aria-label={t("ranking.flagsOf", { letter })}>
      {flags.map((flag) => (
        <button key={flag} type="button" aria-pressed={raised.includes(flag)} onClick={() => onToggle(flag)}>
          {raised.includes(flag) && <Check size={14} aria-hidden="true" />}
          {named(flag)}
        </button>
      ))}
    </div>
  );
}
