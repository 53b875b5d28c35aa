import { Check } from "lucide-react";
import type { KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { useNames } from "@/lib/use-names";
import classes from "./ranking.module.css";

interface FlagButtonsProps {
  flags: string[];
  raised: string[];
  letter: string;
  onToggle: (flag: string) => void;
}

/** The arrows go from one to the next; space raises it. */
function step(event: KeyboardEvent<HTMLElement>) {
  const ahead = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!ahead) return;
  event.preventDefault();
  const buttons = [...event.currentTarget.querySelectorAll("button")];
  const here = buttons.indexOf(document.activeElement as HTMLButtonElement);
  buttons[(here + ahead + buttons.length) % buttons.length]?.focus();
}

/** What may be wrong with a completion, each said or not said. */
export function FlagButtons({ flags, raised, letter, onToggle }: FlagButtonsProps) {
  const { t } = useTranslation();
  const { flagNamed } = useNames();
  if (flags.length === 0) return null;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset's legend would take a line of its own
    <div
      className={classes.flags}
      data-flags
      onKeyDown={step}
      role="group"
      aria-label={t("ranking.flagsOf", { letter })}
    >
      {flags.map((flag) => (
        <button key={flag} type="button" aria-pressed={raised.includes(flag)} onClick={() => onToggle(flag)}>
          {raised.includes(flag) && <Check size={14} aria-hidden="true" />}
          {flagNamed(flag)}
        </button>
      ))}
    </div>
  );
}
