import { useDndMonitor, useDraggable, useDroppable } from "@dnd-kit/core";
import { Fragment, type KeyboardEvent, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { KeyHint } from "@/components/key-hint";
import type { Assignment } from "@/lib/api/types";
import { ariaKey } from "@/lib/keyboard/own-keys";
import { idsOf, letterOf, orderOf, type RankingContent, ratingOf } from "./content";
import classes from "./ranking.module.css";
import { rowOf } from "./tiers";
import { useNames } from "./use-names";

interface TierBoardProps {
  assignment: Assignment;
  content: RankingContent;
  /** Which order is on the shelf; empty: the overall one. */
  criterion: string;
  current: number;
  standing: (id: number) => string;
  onCriterion: (criterion: string) => void;
  onSameAsOverall: () => void;
  onFocus: (id: number) => void;
  onArrows: (event: KeyboardEvent, id: number) => void;
  onAllBad: () => void;
}

/** The shelf: a row for each tier, best on top, and below it what is not ordered yet. */
export function TierBoard(props: TierBoardProps) {
  const { t } = useTranslation();
  const { assignment, content } = props;
  const [isDragging, setDragging] = useState(false);
  useDndMonitor({
    onDragStart: () => setDragging(true),
    onDragEnd: () => setDragging(false),
    onDragCancel: () => setDragging(false),
  });
  const rows = orderOf(content, props.criterion);
  const ids = idsOf(assignment, content.own_answer);
  const waiting = ids.filter((id) => rowOf(rows, id) < 0);
  const chips = (ids: readonly number[]) =>
    ids.map((id) => (
      <Chip
        key={id}
        id={id}
        letter={letterOf(assignment, id)}
        value={ratingOf(content, id).value}
        isCurrent={id === props.current}
        label={props.standing(id)}
        onFocus={() => props.onFocus(id)}
        onArrows={props.onArrows}
      />
    ));

  return (
    <section
      className={classes.board}
      aria-label={t("ranking.board")}
      data-dragging={isDragging || undefined}
    >
      <h2>{t("ranking.board")}</h2>
      {assignment.campaign.criteria.length > 0 && <Criteria {...props} numAll={ids.length} />}
      <p className={classes.hint}>{t("ranking.boardHint")}</p>
      <p className={classes.end}>{t("ranking.best")}</p>
      <ol className={classes.rows}>
        {rows.map((row, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a row is its place
          <Fragment key={index}>
            {index > 0 && <Gap index={index} />}
            <Row index={index}>{chips(row)}</Row>
          </Fragment>
        ))}
      </ol>
      <p className={classes.end}>{t("ranking.worst")}</p>
      <Tray label={t("ranking.notOrdered")}>{chips(waiting)}</Tray>
      <label className={classes.allBad}>
        <input
          type="checkbox"
          checked={content.all_bad}
          onChange={props.onAllBad}
          aria-keyshortcuts={ariaKey("b")}
        />
        {t("ranking.allBad")}
        <KeyHint keys="b" />
      </label>
    </section>
  );
}

/** Which order is on the shelf: the overall one, or that of a criterion. */
function Criteria(props: TierBoardProps & { numAll: number }) {
  const { t } = useTranslation();
  const { criterionNamed } = useNames();
  const { content, criterion, numAll } = props;
  return (
    <>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset's legend would take a line of its own */}
      <div className={classes.criteria} role="group" aria-label={t("ranking.criteria")}>
        {["", ...props.assignment.campaign.criteria].map((name) => (
          <button
            key={name}
            type="button"
            aria-pressed={name === criterion}
            onClick={() => props.onCriterion(name)}
          >
            {name ? criterionNamed(name) : t("ranking.overall")}
            <span>
              {orderOf(content, name).flat().length}/{numAll}
            </span>
          </button>
        ))}
        <KeyHint keys="c" />
      </div>
      {criterion && content.rows.flat().length > 0 && (
        <button type="button" className={classes.quietButton} onClick={props.onSameAsOverall}>
          {t("ranking.sameAsOverall")}
        </button>
      )}
    </>
  );
}

function Row({ index, children }: { index: number; children: ReactNode }) {
  const { t } = useTranslation();
  const { setNodeRef, isOver } = useDroppable({ id: `row-${index}`, data: { row: index } });
  return (
    <li
      ref={setNodeRef}
      className={classes.row}
      data-over={isOver || undefined}
      aria-label={t("ranking.toRow", { row: index + 1 })}
    >
      <span className={classes.rowNumber} aria-hidden="true">
        {index + 1}
      </span>
      {children}
    </li>
  );
}

/** Between two rows: what is dropped here stands alone between them. */
function Gap({ index }: { index: number }) {
  const { setNodeRef, isOver } = useDroppable({ id: `gap-${index}`, data: { gap: index } });
  return <li ref={setNodeRef} className={classes.gap} data-over={isOver || undefined} aria-hidden="true" />;
}

function Tray({ label, children }: { label: string; children: ReactNode[] }) {
  const { t } = useTranslation();
  const { setNodeRef, isOver } = useDroppable({ id: "tray", data: {} });
  return (
    // biome-ignore lint/a11y/useSemanticElements: this is a place for things, not a form's part
    <div
      ref={setNodeRef}
      className={classes.tray}
      data-over={isOver || undefined}
      role="group"
      aria-label={label}
    >
      <span className={classes.trayLabel}>{children.length ? label : t("ranking.allOrdered")}</span>
      {children}
    </div>
  );
}

interface ChipProps {
  id: number;
  letter: string;
  value: number | null;
  label: string;
  isCurrent: boolean;
  onFocus: () => void;
  onArrows: (event: KeyboardEvent, id: number) => void;
}

function Chip({ id, letter, value, label, isCurrent, onFocus, onArrows }: ChipProps) {
  const { setNodeRef, listeners, isDragging } = useDraggable({ id: `chip-${id}`, data: { completion: id } });
  return (
    <button
      ref={setNodeRef}
      type="button"
      className={classes.chip}
      data-chip={letter}
      data-current={isCurrent || undefined}
      data-dragging={isDragging || undefined}
      aria-label={label}
      aria-keyshortcuts="ArrowUp ArrowDown"
      onFocus={onFocus}
      {...listeners}
      onKeyDown={(event) => onArrows(event, id)}
    >
      {letter}
      {value !== null && <span className={classes.chipRating}>{value}</span>}
    </button>
  );
}
