import { useDraggable } from "@dnd-kit/core";
import { type KeyboardEvent, memo } from "react";
import { useTranslation } from "react-i18next";
import { CompletionCard, type CompletionCardProps } from "@/components/completions/completion-card";
import shared from "@/components/completions/completions.module.css";
import type { Rating } from "./content";
import { Judgement, JudgementInWords } from "./judgement";
import classes from "./ranking.module.css";

/** What can be done with any completion; the same object while the page is open, so that cards stay as they are. */
export interface CardActions {
  focus: (id: number) => void;
  arrows: (event: KeyboardEvent, id: number) => void;
  rate: (id: number, value: number | null) => void;
  flag: (id: number, flag: string) => void;
  place: (id: number, row: number | null) => void;
  fold: (id: number) => void;
}

interface RankedCardProps extends Omit<CompletionCardProps, "onFocus" | "onFold"> {
  standing: string;
  rating: Rating;
  flags: string[];
  numRows: number;
  /** The row it stands in, from 0; -1 when not ordered. */
  row: number;
  actions: CardActions;
  /** Another's order, to be read. */
  isReading: boolean;
  /** It is an answer of who ranked, which is shown here only to be read. */
  isOwn: boolean;
}

/** One completion. Nothing in it is drawn anew while another one is dragged, rated or put in its place. */
export const RankedCard = memo(function RankedCard(props: RankedCardProps) {
  const { t } = useTranslation();
  const { id, letter, rating, actions, isReading } = props;
  const head = (
    <>
      <Letter {...props} />
      {isReading ? <span className={shared.standing}>{props.standing}</span> : <TierMenu {...props} />}
      {props.isOwn && <span className={shared.baseMark}>{t("ranking.own.title")}</span>}
    </>
  );
  return (
    <CompletionCard {...props} head={head} onFocus={actions.focus} onFold={actions.fold}>
      {isReading ? (
        <JudgementInWords rating={rating} letter={letter} />
      ) : (
        <Judgement
          id={id}
          letter={letter}
          rating={rating}
          flags={props.flags}
          onRate={actions.rate}
          onFlag={actions.flag}
        />
      )}
    </CompletionCard>
  );
});

/** The completion's name: takes the focus, moves by arrow keys, and can be dragged onto the shelf. */
function Letter({ id, letter, standing, actions, isReading }: RankedCardProps) {
  const { setNodeRef, listeners } = useDraggable({
    id: `card-${id}`,
    data: { completion: id },
    disabled: isReading,
  });
  return (
    <button
      ref={setNodeRef}
      type="button"
      className={classes.chip}
      data-letter
      aria-label={standing}
      aria-keyshortcuts={isReading ? undefined : "ArrowUp ArrowDown"}
      {...listeners}
      onKeyDown={(event) => actions.arrows(event, id)}
    >
      {letter}
    </button>
  );
}

/** The same by menu: the phone's own, or the desktop's. */
function TierMenu({ id, letter, row, numRows, actions }: RankedCardProps) {
  const { t } = useTranslation();
  return (
    <select
      className={classes.place}
      aria-label={t("ranking.move", { letter })}
      value={row}
      onChange={(event) => actions.place(id, event.target.value === "-1" ? null : Number(event.target.value))}
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
