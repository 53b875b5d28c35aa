import { useDraggable } from "@dnd-kit/core";
import { type KeyboardEvent, memo } from "react";
import { useTranslation } from "react-i18next";
import { Markdown } from "@/components/markdown";
import { HIGHEST_RATING, type Rating } from "./content";
import { FlagButtons } from "./flag-buttons";
import classes from "./ranking.module.css";

interface CompletionCardProps {
  completion: { id: number; text: string };
  letter: string;
  standing: string;
  rating: Rating;
  flags: string[];
  language: string;
  isRaw: boolean;
  isCurrent: boolean;
  numRows: number;
  /** The row it stands in, from 0; -1 when not ordered. */
  row: number;
  onFocus: () => void;
  onArrows: (event: KeyboardEvent, id: number) => void;
  onRate: (value: number | null) => void;
  onFlag: (flag: string) => void;
  onPlace: (row: number | null) => void;
}

export function CompletionCard(props: CompletionCardProps) {
  const { t } = useTranslation();
  const { completion, letter, rating } = props;
  return (
    <article
      className={classes.card}
      data-completion={completion.id}
      data-current={props.isCurrent || undefined}
      aria-label={t("ranking.completion", { letter })}
      onFocus={props.onFocus}
      onPointerDown={props.onFocus}
    >
      <header className={classes.cardHead}>
        <Letter {...props} />
        <TierMenu {...props} />
      </header>
      <CardText text={completion.text} isRaw={props.isRaw} language={props.language} />
      <footer className={classes.cardFoot}>
        <fieldset className={classes.rating}>
          <legend>{t("ranking.rating")}</legend>
          <span className={classes.scaleEnd}>{t("ranking.lowest")}</span>
          {Array.from({ length: HIGHEST_RATING }, (_, index) => index + 1).map((value) => (
            <label key={value} data-chosen={rating.value === value || undefined}>
              <input
                type="radio"
                name={`rating-${completion.id}`}
                value={value}
                checked={rating.value === value}
                onChange={() => props.onRate(value)}
                onClick={() => rating.value === value && props.onRate(null)}
              />
              {value}
            </label>
          ))}
          <span className={classes.scaleEnd}>{t("ranking.highest")}</span>
        </fieldset>
        <FlagButtons flags={props.flags} raised={rating.flags} letter={letter} onToggle={props.onFlag} />
      </footer>
    </article>
  );
}

const CardText = memo(function CardText(props: { text: string; isRaw: boolean; language: string }) {
  const { t } = useTranslation();
  if (!props.text.trim()) return <p className={classes.nothing}>{t("ranking.emptyText")}</p>;
  return <Markdown text={props.text} isRaw={props.isRaw} language={props.language} />;
});

/** The completion's name: takes the focus, moves by arrow keys, and can be dragged onto the shelf. */
function Letter({ completion, letter, standing, onArrows }: CompletionCardProps) {
  const { setNodeRef, listeners } = useDraggable({
    id: `card-${completion.id}`,
    data: { completion: completion.id },
  });
  return (
    <button
      ref={setNodeRef}
      type="button"
      className={classes.chip}
      data-letter
      aria-label={standing}
      aria-keyshortcuts="ArrowUp ArrowDown"
      {...listeners}
      onKeyDown={(event) => onArrows(event, completion.id)}
    >
      {letter}
    </button>
  );
}

/** The same by menu: the phone's own, or the desktop's. */
function TierMenu({ letter, row, numRows, onPlace }: CompletionCardProps) {
  const { t } = useTranslation();
  return (
    <select
      className={classes.place}
      aria-label={t("ranking.move", { letter })}
      value={row}
      onChange={(event) => onPlace(event.target.value === "-1" ? null : Number(event.target.value))}
    >
      <option value={-1}>{t("ranking.notPlaced")}</option>
      {Array.from({ length: numRows }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row is its place
        <option key={index} value={index}>
          {t("ranking.toRow", { row: index + 1 })}
        </option>
      ))}
    </select>
  );
}
