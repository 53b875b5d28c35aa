import {
  DndContext,
  type DragEndEvent,
  DragOverlay,
  PointerSensor,
  pointerWithin,
  rectIntersection,
  TouchSensor,
  useSensor,
  useSensors,
} from "@dnd-kit/core";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Dialogue } from "@/components/dialogue";
import { KeyHint } from "@/components/key-hint";
import { useKeys } from "@/lib/keyboard/use-keys";
import type { WorkProps } from "@/lib/work";
import { CompletionCard } from "./completion-card";
import { HIGHEST_RATING, letterOf, type RankingContent, ratingOf } from "./content";
import classes from "./ranking.module.css";
import { TierBoard } from "./tier-board";
import { insertBefore, moveDown, moveUp, place, type Rows, rowOf, tieWithAbove, unplace } from "./tiers";
import { useStandingInWords } from "./use-standing";

/** Read each completion, rate it, and order them all: by mouse, by touch, by keyboard, or by menu. */
export function RankingPage({ assignment, content, change, announce }: WorkProps<RankingContent>) {
  const { t } = useTranslation();
  const inWords = useStandingInWords(assignment);
  const [current, setCurrent] = useState(assignment.completions[0]?.id ?? 0);
  const [dragged, setDragged] = useState<number | null>(null);
  const [isRaw, setRaw] = useState(false);
  const page = useRef<HTMLDivElement>(null);
  const sensors = useSensors(
    useSensor(PointerSensor, { activationConstraint: { distance: 6 } }),
    useSensor(TouchSensor, { activationConstraint: { delay: 180, tolerance: 8 } }),
  );
  const ids = assignment.completions.map((completion) => completion.id);
  const language = assignment.prompt.language || assignment.campaign.language;

  function order(id: number, move: (rows: Rows) => Rows) {
    const rows = move(content.rows);
    change((before) => ({ ...before, rows: move(before.rows) }));
    announce(inWords(rows, id));
  }

  function rate(id: number, value: number | null) {
    change((before) => ({
      ...before,
      ratings: { ...before.ratings, [id]: { ...ratingOf(before, id), value } },
    }));
    const letter = letterOf(assignment, id);
    announce(
      value
        ? t("ranking.rated", { letter, value, highest: HIGHEST_RATING })
        : t("ranking.unrated", { letter }),
    );
  }

  function toggleFlag(id: number, flag: string) {
    change((before) => {
      const { flags, value } = ratingOf(before, id);
      const next = flags.includes(flag) ? flags.filter((other) => other !== flag) : [...flags, flag];
      return { ...before, ratings: { ...before.ratings, [id]: { value, flags: next } } };
    });
  }

  function toggleAllBad() {
    const next = !content.all_bad;
    change((before) => ({ ...before, all_bad: next }));
    announce(next ? t("ranking.allBadOn") : t("ranking.allBadOff"));
  }

  function go(step: number) {
    const index = Math.max(0, Math.min(ids.length - 1, ids.indexOf(current) + step));
    const id = ids[index] ?? current;
    setCurrent(id);
    const card = page.current?.querySelector<HTMLElement>(`[data-completion="${id}"]`);
    card?.scrollIntoView({ block: "nearest" });
    card?.querySelector<HTMLElement>("[data-letter]")?.focus();
  }

  function drop(event: DragEndEvent) {
    setDragged(null);
    const id = Number(event.active.data.current?.completion);
    const target = event.over?.data.current as { row?: number; gap?: number } | undefined;
    if (!event.over || !id) return;
    if (target?.row !== undefined) order(id, (rows) => place(rows, id, target.row ?? 0));
    else if (target?.gap !== undefined) order(id, (rows) => insertBefore(rows, id, target.gap ?? 0));
    else order(id, (rows) => unplace(rows, id));
  }

  const digits = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => from + index);
  useKeys(t("keys.ranking"), [
    { keys: ["j"], label: t("ranking.keys.next"), run: () => go(1) },
    { keys: ["k"], label: t("ranking.keys.previous"), run: () => go(-1) },
    {
      keys: digits(1, ids.length).map((digit) => `Digit${digit}`),
      shownAs: `1 … ${ids.length}`,
      label: t("ranking.keys.tier"),
      run: (event) => order(current, (rows) => place(rows, current, Number(event.code.slice(-1)) - 1)),
    },
    {
      keys: digits(0, HIGHEST_RATING).map((digit) => `shift+Digit${digit}`),
      shownAs: `⇧ 1 … ⇧ ${HIGHEST_RATING}`,
      label: t("ranking.keys.rate"),
      run: (event) => rate(current, Number(event.code.slice(-1)) || null),
    },
    { keys: [], shownAs: "↑ ↓", label: t("ranking.keys.step"), run: () => undefined },
    {
      keys: "=",
      label: t("ranking.keys.tie"),
      run: () => order(current, (rows) => tieWithAbove(rows, current)),
    },
    {
      keys: ["Digit0", "Backspace"],
      label: t("ranking.keys.off"),
      run: () => order(current, (rows) => unplace(rows, current)),
    },
    { keys: "b", label: t("ranking.allBad"), run: toggleAllBad },
    { keys: "v", label: t("text.raw"), run: () => setRaw((raw) => !raw) },
  ]);

  function onArrows(event: React.KeyboardEvent, id: number) {
    const move = event.key === "ArrowUp" ? moveUp : event.key === "ArrowDown" ? moveDown : null;
    if (!move || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    order(id, (rows) => move(rows, id));
  }

  return (
    <DndContext
      sensors={sensors}
      collisionDetection={(args) => {
        const under = pointerWithin(args);
        return under.length ? under : rectIntersection(args);
      }}
      onDragStart={(event) => setDragged(Number(event.active.data.current?.completion))}
      onDragCancel={() => setDragged(null)}
      onDragEnd={drop}
      accessibility={{
        screenReaderInstructions: { draggable: t("ranking.instructions") },
        announcements: SILENT,
      }}
    >
      <div className={classes.page} ref={page}>
        <div className={classes.texts}>
          <Dialogue
            messages={assignment.prompt.messages}
            brief={assignment.prompt.brief}
            language={language}
          />
          <div className={classes.head}>
            <h2>{t("ranking.completions", { count: ids.length })}</h2>
            <button
              type="button"
              className={classes.quietButton}
              aria-pressed={isRaw}
              aria-keyshortcuts="V"
              onClick={() => setRaw(!isRaw)}
            >
              {t("text.raw")}
              <KeyHint keys="v" />
            </button>
          </div>
          {assignment.completions.map((completion) => (
            <CompletionCard
              key={completion.id}
              completion={completion}
              letter={letterOf(assignment, completion.id)}
              standing={inWords(content.rows, completion.id)}
              rating={ratingOf(content, completion.id)}
              flags={assignment.campaign.flags}
              language={language}
              isRaw={isRaw}
              isCurrent={completion.id === current}
              numRows={ids.length}
              row={rowOf(content.rows, completion.id)}
              onFocus={() => setCurrent(completion.id)}
              onArrows={onArrows}
              onRate={(value) => rate(completion.id, value)}
              onFlag={(flag) => toggleFlag(completion.id, flag)}
              onPlace={(row) =>
                order(completion.id, (rows) =>
                  row === null ? unplace(rows, completion.id) : place(rows, completion.id, row),
                )
              }
            />
          ))}
        </div>
        <TierBoard
          assignment={assignment}
          content={content}
          current={current}
          isDragging={dragged !== null}
          standing={(id) => inWords(content.rows, id)}
          onFocus={setCurrent}
          onArrows={onArrows}
          onAllBad={toggleAllBad}
        />
      </div>
      <DragOverlay dropAnimation={null}>
        {dragged !== null && <span className={classes.chip}>{letterOf(assignment, dragged)}</span>}
      </DragOverlay>
    </DndContext>
  );
}

// The page has a live region of its own, which says more than where the pointer is.
const nothing = () => undefined;
const SILENT = { onDragStart: nothing, onDragOver: nothing, onDragEnd: nothing, onDragCancel: nothing };
