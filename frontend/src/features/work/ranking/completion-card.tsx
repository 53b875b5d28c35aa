import { useDraggable } from "@dnd-kit/core";
import { ChevronDown, ChevronUp } from "lucide-react";
import { type KeyboardEvent, memo } from "react";
import { useTranslation } from "react-i18next";
import { CompletionText } from "./completion-text";
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

interface CompletionCardProps {
  id: number;
  text: string;
  letter: string;
  standing: string;
  rating: Rating;
  flags: string[];
  language: string;
  isRaw: boolean;
  isCurrent: boolean;
  isFolded: boolean;
  isHidden: boolean;
  /** The text scrolls inside the card, as in columns. */
  scrolls: boolean;
  /** The completion that the others are compared with. */
  isBase: boolean;
  /** The text of that one, where this one is shown with its differences. */
  base: string | null;
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
export const CompletionCard = memo(function CompletionCard(props: CompletionCardProps) {
  const { t } = useTranslation();
  const { id, letter, actions, isFolded } = props;
  const fold = t(isFolded ? "ranking.unfold" : "ranking.fold", { letter });
  return (
    <article
      className={classes.card}
      data-completion={id}
      data-current={props.isCurrent || undefined}
      aria-label={t("ranking.completion", { letter })}
      hidden={props.isHidden}
      onFocus={() => actions.focus(id)}
      onPointerDown={() => actions.focus(id)}
    >
      <header className={classes.cardHead}>
        <Letter {...props} />
        {props.isReading ? (
          <span className={classes.standing}>{props.standing}</span>
        ) : (
          <TierMenu {...props} />
        )}
        {props.isOwn && <span className={classes.baseMark}>{t("ranking.own.title")}</span>}
        {props.isBase && <span className={classes.baseMark}>{t("ranking.isBase")}</span>}
        <button
          type="button"
          className={classes.fold}
          aria-label={fold}
          title={fold}
          aria-expanded={!isFolded}
          onClick={() => actions.fold(id)}
        >
          {isFolded ? <ChevronDown size={18} /> : <ChevronUp size={18} />}
        </button>
      </header>
      <div
        className={classes.body}
        data-folded={isFolded || undefined}
        data-scrolls={props.scrolls || undefined}
        // A long text is scrolled by keyboard too.
        tabIndex={props.scrolls ? 0 : undefined}
      >
        <CompletionText text={props.text} isRaw={props.isRaw} language={props.language} base={props.base} />
      </div>
      {props.isReading ? (
        <JudgementInWords rating={props.rating} letter={letter} />
      ) : (
        <Judgement
          id={id}
          letter={letter}
          rating={props.rating}
          flags={props.flags}
          onRate={actions.rate}
          onFlag={actions.flag}
        />
      )}
    </article>
  );
});

/** The completion's name: takes the focus, moves by arrow keys, and can be dragged onto the shelf. */
function Letter({ id, letter, standing, actions, isReading }: CompletionCardProps) {
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
function TierMenu({ id, letter, row, numRows, actions }: CompletionCardProps) {
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
