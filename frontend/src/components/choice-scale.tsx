import { useTranslation } from "react-i18next";
import { BOTH_BAD, type Choice, choiceInWords, isSame, type Pair, scaleOf } from "@/lib/choice";
import { ariaKey } from "@/lib/keyboard/own-keys";
import classes from "./choice-scale.module.css";
import { KeyHint } from "./key-hint";

interface ChoiceScaleProps {
  /** Tells its radio buttons from those of another scale. */
  name: string;
  pair: Pair;
  content: Choice;
  hasBothBad?: boolean;
  onChoose: (choice: Choice) => void;
}

/** One scale from the first of two to the second, a tie in the middle, each place with its key. */
export function ChoiceScale({ name, pair, content, hasBothBad, onChoose }: ChoiceScaleProps) {
  const { t } = useTranslation();
  const place = (choice: Choice, keys: string, short: string) => (
    <label
      key={keys}
      className={classes.place}
      data-chosen={isSame(choice, content) || undefined}
      data-verdict={choice.verdict}
    >
      <input
        type="radio"
        name={name}
        aria-label={choiceInWords(pair, choice, t)}
        aria-keyshortcuts={ariaKey(keys).replace("DIGIT", "")}
        checked={isSame(choice, content)}
        onChange={() => onChoose(choice)}
      />
      <span>{short}</span>
      <KeyHint keys={keys} />
    </label>
  );
  return (
    <fieldset className={classes.choice}>
      <legend>{t("comparison.question")}</legend>
      <div className={classes.ends} aria-hidden="true">
        <span>{t("comparison.end", { letter: "A" })}</span>
        <span>{t("comparison.end", { letter: "B" })}</span>
      </div>
      <div className={classes.scale}>
        {scaleOf(pair).map((choice, index) =>
          place(
            choice,
            `Digit${index + 1}`,
            choice.strength ? t(`comparison.short.${choice.strength}`) : t("comparison.short.tie"),
          ),
        )}
      </div>
      {hasBothBad && <div className={classes.below}>{place(BOTH_BAD, "n", t("comparison.all_bad"))}</div>}
    </fieldset>
  );
}
