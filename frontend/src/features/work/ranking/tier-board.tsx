import { useDndMonitor, useDraggable, useDroppable } from "@dnd-kit/core";
import { ActionIcon } from "@mantine/core";
import { Eraser, Undo2 } from "lucide-react";
import { Fragment, type KeyboardEvent, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import shared from "@/components/completions/completions.module.css";
import { KeyHint } from "@/components/key-hint";
import type { Assignment } from "@/lib/api/types";
import { ariaKey } from "@/lib/keyboard/own-keys";
import { useNames } from "@/lib/use-names";
import { idsOf, letterOf, orderOf, type RankingContent, ratingOf } from "./content";
import classes from "./ranking.module.css";
import { rowOf } from "./tiers";

interface TierBoardProps {
  assignment: Assignment;
  content: RankingContent;
  /** Which order is on the shelf; empty: the overall one. */
  criterion: string;
  current: number;
  /** Another's order, to be read and not changed. */
  isReading: boolean;
  standing: (id: number) => string;
  onCriterion: (criterion: string) => void;
  onSameAsOverall: () => void;
  onFocus: (id: number) => void;
  onArrows: (event: KeyboardEvent, id: number) => void;
  onAllBad: () => void;
  /** Null where there is nothing to go back to. */
  onUndo: (() => void) | null;
  /** Null where nothing is ordered. */
  onClear: (() => void) | null;
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
        isReading={props.isReading}
        label={props.standing(id)}
        onFocus={() => props.onFocus(id)}
        onArrows={props.onArrows}
      />
    ));

  return (
    <section
      id="order"
      className={shared.board}
      aria-label={t("ranking.board")}
      data-dragging={isDragging || undefined}
    >
      <div className={classes.boardHead}>
        <h2>{t("ranking.board")}</h2>
        {!props.isReading && (
          <>
            <Step label={t("ranking.keys.undo")} keys="Control+Z Meta+Z" onStep={props.onUndo}>
              <Undo2 size={18} className="flip-rtl" aria-hidden="true" />
            </Step>
            <Step label={t("ranking.keys.clear")} keys="Shift+Backspace" onStep={props.onClear}>
              <Eraser size={18} aria-hidden="true" />
            </Step>
          </>
        )}
      </div>
      {assignment.campaign.criteria.length > 0 && <Criteria {...props} numAll={ids.length} />}
      {!props.isReading && <p className={classes.hint}>{t("ranking.boardHint")}</p>}
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
      {(!props.isReading || waiting.length > 0) && (
        <Tray label={t("ranking.notOrdered")}>{chips(waiting)}</Tray>
      )}
      <AllBad {...props} />
    </section>
  );
}

function AllBad({ content, isReading, onAllBad }: TierBoardProps) {
  const { t } = useTranslation();
  if (isReading) return content.all_bad && <p className={classes.allBad}>{t("ranking.allBad")}</p>;
  return (
    <label className={classes.allBad}>
      <input type="checkbox" checked={content.all_bad} onChange={onAllBad} aria-keyshortcuts={ariaKey("n")} />
      {t("ranking.allBad")}
      <KeyHint keys="n" />
    </label>
  );
}

interface StepProps {
  label: string;
  keys: string;
  onStep: (() => void) | null;
  children: ReactNode;
}

function Step({ label, keys, onStep, children }: StepProps) {
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      className={classes.step}
      aria-label={label}
      title={label}
      aria-keyshortcuts={keys}
      disabled={!onStep}
      onClick={() => onStep?.()}
    >
      {children}
    </ActionIcon>
  );
}

/** Which order is on the shelf: the overall one, or that of a criterion. */
function Criteria(props: TierBoardProps & { numAll: number }) {
  const { t } = useTranslation();
  const { criterionNamed } = useNames();
  const { content, criterion, numAll } = props;
  const names = ["", ...props.assignment.campaign.criteria];
  const next = names[(names.indexOf(criterion) + 1) % names.length];
  return (
    <>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset's legend would take a line of its own */}
      <div className={classes.criteria} role="group" aria-label={t("ranking.criteria")}>
        {names.map((name) => (
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
            {name === next && <KeyHint keys="p" />}
          </button>
        ))}
      </div>
      {criterion && !props.isReading && content.rows.flat().length > 0 && (
        <button type="button" className={shared.quietButton} onClick={props.onSameAsOverall}>
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
  isReading: boolean;
  onFocus: () => void;
  onArrows: (event: KeyboardEvent, id: number) => void;
}

function Chip({ id, letter, value, label, isCurrent, isReading, onFocus, onArrows }: ChipProps) {
  const { setNodeRef, listeners, isDragging } = useDraggable({
    id: `chip-${id}`,
    data: { completion: id },
    disabled: isReading,
  });
  return (
    <button
      ref={setNodeRef}
      type="button"
      className={classes.chip}
      data-chip={letter}
      data-current={isCurrent || undefined}
      data-dragging={isDragging || undefined}
      aria-label={label}
      aria-keyshortcuts={isReading ? undefined : "ArrowUp ArrowDown"}
      onFocus={onFocus}
      {...listeners}
      onKeyDown={(event) => onArrows(event, id)}
    >
      {letter}
      {value !== null && <span className={classes.chipRating}>{value}</span>}
    </button>
  );
}
