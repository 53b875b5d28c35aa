import { useTranslation } from "react-i18next";
import shared from "@/components/completions/completions.module.css";
import { useNames } from "@/lib/use-names";
import { HIGHEST_RATING, type Rating } from "./content";
import { FlagButtons } from "./flag-buttons";
import classes from "./ranking.module.css";

interface JudgementProps {
  id: number;
  letter: string;
  rating: Rating;
  flags: string[];
  onRate: (id: number, value: number | null) => void;
  onFlag: (id: number, flag: string) => void;
}

/** What one says of a completion by itself: a rating, and flags. */
export function Judgement({ id, letter, rating, flags, onRate, onFlag }: JudgementProps) {
  const { t } = useTranslation();
  return (
    <footer className={shared.cardFoot}>
      <fieldset className={classes.rating}>
        <legend>{t("ranking.rating")}</legend>
        <span className={classes.scaleEnd}>{t("ranking.lowest")}</span>
        {Array.from({ length: HIGHEST_RATING }, (_, index) => index + 1).map((value) => (
          <label key={value} data-chosen={rating.value === value || undefined}>
            <input
              type="radio"
              name={`rating-${id}`}
              value={value}
              checked={rating.value === value}
              onChange={() => onRate(id, value)}
              onClick={() => rating.value === value && onRate(id, null)}
            />
            {value}
          </label>
        ))}
        <span className={classes.scaleEnd}>{t("ranking.highest")}</span>
      </fieldset>
      <FlagButtons
        flags={flags}
        raised={rating.flags}
        letter={letter}
        onToggle={(flag) => onFlag(id, flag)}
      />
    </footer>
  );
}

/** The same of another person, to be read; nothing where they said nothing. */
export function JudgementInWords({
  rating: { value, flags },
  letter,
}: Pick<JudgementProps, "rating" | "letter">) {
  const { t } = useTranslation();
  const { flagNamed } = useNames();
  if (value === null && flags.length === 0) return null;
  return (
    <footer className={shared.cardFoot}>
      {value !== null && <span>{t("ranking.ratedIs", { value, highest: HIGHEST_RATING })}</span>}
      {flags.length > 0 && (
        <ul className={classes.raised} aria-label={t("ranking.flagsOf", { letter })}>
          {flags.map((flag) => (
            <li key={flag}>{flagNamed(flag)}</li>
          ))}
        </ul>
      )}
    </footer>
  );
}
