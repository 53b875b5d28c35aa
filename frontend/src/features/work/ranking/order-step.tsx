import {
  DndContext,
  type DragEndEvent,
  DragOverlay,
  MouseSensor,
  pointerWithin,
  rectIntersection,
  TouchSensor,
  useDndContext,
  useSensor,
  useSensors,
} from "@dnd-kit/core";
import { type KeyboardEvent, useCallback, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { useTranslation } from "react-i18next";
import { Prompt } from "@/components/prompt";
import type { Assignment } from "@/lib/api/types";
import { letters } from "@/lib/keyboard/letters";
import { type KeyBinding, useKeys } from "@/lib/keyboard/use-keys";
import type { WorkProps } from "@/lib/work";
import { type CardActions, CompletionCard } from "./completion-card";
import {
  HIGHEST_RATING,
  idsOf,
  letterOf,
  type Orders,
  OWN,
  orderOf,
  ordersOf,
  type RankingContent,
  ratingOf,
  withOrder,
  withOrders,
  withOwnAnswer,
  withOwnAnswerClosed,
  withOwnAnswerOpened,
} from "./content";
import { digits } from "./keys";
import { OwnAnswer } from "./own-answer";
import classes from "./ranking.module.css";
import { TierBoard } from "./tier-board";
import {
  emptyRows,
  insertBefore,
  moveDown,
  moveUp,
  place,
  type Rows,
  rowOf,
  tieWithAbove,
  unplace,
} from "./tiers";
import { useStandingInWords } from "./use-standing";
import { useScrollTogether, useView } from "./use-view";
import { ViewBar } from "./view-bar";

interface OrderStepProps extends WorkProps<RankingContent> {
  rate: (id: number, value: number | null) => void;
  flag: (id: number, flag: string) => void;
  onRateAgain: () => void;
  /** Another's order, to be read and not changed. */
  isReading?: boolean;
}

/** All completions and the shelf: ordered by mouse, by touch, by keyboard, or by menu. */
export function OrderStep(props: OrderStepProps) {
  const { assignment, content, change, announce, rate, flag, isReading = false } = props;
  const { t } = useTranslation();
  const inWords = useStandingInWords(assignment);
  const { campaign, completions, prompt } = assignment;
  const [current, setCurrent] = useState(completions[0]?.id ?? OWN);
  const [criterion, setCriterion] = useState("");
  const [isWriting, setWriting] = useState(false);
  const page = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const view = useView();
  const scrollTogether = useScrollTogether(view.scrollsTogether);
  const sensors = useSensors(
    useSensor(MouseSensor, { activationConstraint: { distance: 6 } }),
    useSensor(TouchSensor, { activationConstraint: { delay: 180, tolerance: 8 } }),
  );
  // To be read, an own answer is one completion more.
  const texts =
    isReading && content.own_answer ? [...completions, { id: OWN, text: content.own_answer }] : completions;
  const offered = texts.map((completion) => completion.id);
  const ids = idsOf(assignment, content.own_answer);
  const rows = orderOf(content, criterion);
  const language = prompt.language || campaign.language;
  const latest = useRef(content);
  latest.current = content;
  // The orders before each step, to be gone back to one by one.
  const [past, setPast] = useState<Orders[]>([]);
  const remember = useCallback(() => {
    const orders = ordersOf(latest.current);
    setPast((before) => [...before, orders]);
  }, []);

  const order = useCallback(
    (id: number, move: (rows: Rows) => Rows) => {
      if (isReading) return;
      const before = orderOf(latest.current, criterion);
      const after = move(before);
      if (after !== before) remember();
      change((before) => withOrder(before, criterion, move(orderOf(before, criterion))));
      announce(inWords(after, id, criterion));
    },
    [change, announce, inWords, criterion, remember, isReading],
  );
  const actions: CardActions = useMemo(
    () => ({
      focus: setCurrent,
      rate,
      flag,
      fold: view.fold,
      place: (id, row) => order(id, (rows) => (row === null ? unplace(rows, id) : place(rows, id, row))),
      arrows: (event: KeyboardEvent, id) => {
        const move = event.key === "ArrowUp" ? moveUp : event.key === "ArrowDown" ? moveDown : null;
        if (!move || event.altKey || event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        order(id, (rows) => move(rows, id));
      },
    }),
    [rate, flag, order, view.fold],
  );

  function toggleAllBad() {
    const next = !content.all_bad;
    remember();
    change((before) => ({ ...before, all_bad: next }));
    announce(next ? t("ranking.allBadOn") : t("ranking.allBadOff"));
  }

  function undo() {
    const before = past.at(-1);
    if (!before) return false; // then what was submitted or skipped last may be taken back
    setPast(past.slice(0, -1));
    change((content) => withOrders(content, before, idsOf(assignment, content.own_answer)));
    announce(t("ranking.undone"));
  }

  function clear() {
    if (rows.flat().length === 0) return;
    remember();
    change((before) => withOrder(before, criterion, emptyRows(ids.length)));
    announce(t("ranking.cleared"));
  }

  function sameAsOverall() {
    remember();
    change((before) => withOrder(before, criterion, before.rows));
  }

  function go(step: number) {
    const index = Math.max(0, Math.min(offered.length - 1, offered.indexOf(current) + step));
    goTo(offered[index] ?? current);
  }
  function goTo(id: number) {
    // At once: in focus mode the card is only now on the page.
    flushSync(() => setCurrent(id));
    const card = page.current?.querySelector<HTMLElement>(`[data-completion="${id}"]`);
    card?.scrollIntoView({ block: "nearest", inline: "nearest" });
    card?.querySelector<HTMLElement>("[data-letter]")?.focus({ preventScroll: true });
    // One's own answer is a field; its letter stands on the shelf alone.
    if (id === OWN)
      page.current?.querySelector<HTMLElement>(`[data-chip="${letterOf(assignment, OWN)}"]`)?.focus();
  }

  function write() {
    flushSync(() => {
      setWriting(true);
      change(withOwnAnswerOpened);
    });
    field.current?.focus();
  }

  function closeOwn() {
    setWriting(false);
    if (content.own_answer.trim()) {
      remember();
      announce(t("ranking.own.closed"));
    }
    change(withOwnAnswerClosed);
    goTo(offered.includes(current) ? current : (offered[0] ?? OWN));
  }

  function toFlags() {
    const card = page.current?.querySelector(`[data-completion="${current}"]`);
    card?.querySelector<HTMLElement>("[data-flags] button")?.focus();
  }

  function nextCriterion() {
    const names = ["", ...campaign.criteria];
    setCriterion(names[(names.indexOf(criterion) + 1) % names.length] ?? "");
  }

  function drop(event: DragEndEvent) {
    const id = event.active.data.current?.completion as number | undefined;
    const target = event.over?.data.current as { row?: number; gap?: number } | undefined;
    if (!event.over || id === undefined) return;
    if (target?.row !== undefined) order(id, (rows) => place(rows, id, target.row ?? 0));
    else if (target?.gap !== undefined) order(id, (rows) => insertBefore(rows, id, target.gap ?? 0));
    else order(id, (rows) => unplace(rows, id));
  }

  const goingKeys: KeyBinding[] = [
    {
      keys: letters(ids.length),
      shownAs: `A … ${letters(ids.length).at(-1)}`,
      label: t("ranking.keys.letter"),
      run: (event) => goTo(ids[letters(ids.length).indexOf(event.key.toUpperCase())] ?? current),
    },
    { keys: "j", label: t("ranking.keys.next"), run: () => go(1) },
    { keys: "k", label: t("ranking.keys.previous"), run: () => go(-1) },
  ];
  const orderKeys: KeyBinding[] = [
    {
      keys: digits(1, Math.min(9, ids.length)),
      shownAs: `1 … ${Math.min(9, ids.length)}`,
      label: t("ranking.keys.tier"),
      run: (event) => order(current, (rows) => place(rows, current, Number(event.code.slice(-1)) - 1)),
    },
    {
      keys: digits(0, HIGHEST_RATING).map((key) => `shift+${key}`),
      shownAs: `⇧ 1 … ⇧ ${HIGHEST_RATING}`,
      label: t("ranking.keys.rate"),
      run: (event) => current !== OWN && rate(current, Number(event.code.slice(-1)) || null),
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
    { keys: "mod+z", label: t("ranking.keys.undo"), run: undo },
    { keys: "shift+Backspace", label: t("ranking.keys.clear"), run: clear },
    { keys: "n", label: t("ranking.allBad"), run: toggleAllBad },
    ...(campaign.flags.length > 0 ? [{ keys: ".", label: t("ranking.keys.flags"), run: toFlags }] : []),
    ...(campaign.own_answer === "off" ? [] : [{ keys: "w", label: t("ranking.own.write"), run: write }]),
  ];
  const viewKeys: KeyBinding[] = [
    ...(campaign.criteria.length > 0
      ? [{ keys: "p", label: t("ranking.keys.criterion"), run: nextCriterion }]
      : []),
    {
      keys: "l",
      label: t("ranking.view.columns"),
      run: () => view.choose(view.layout === "list" ? "columns" : "list"),
    },
    ...(view.layout === "columns"
      ? [{ keys: "y", label: t("ranking.view.together"), run: view.toggleTogether }]
      : []),
    { keys: "u", label: t("ranking.view.focus"), run: view.toggleFocus },
    { keys: "z", label: t("ranking.view.differences"), run: () => view.toggleBase(current) },
    { keys: "x", label: t("ranking.keys.fold"), run: () => view.fold(current) },
    { keys: "v", label: t("text.raw"), run: view.toggleRaw },
  ];
  useKeys(t("keys.ranking"), [...goingKeys, ...(isReading ? [] : orderKeys), ...viewKeys]);

  const base = texts.find(({ id }) => id === view.base);
  return (
    <DndContext
      sensors={sensors}
      autoScroll={AUTO_SCROLL}
      collisionDetection={underPointer}
      onDragEnd={drop}
      accessibility={{
        screenReaderInstructions: { draggable: t("ranking.instructions") },
        announcements: SILENT,
      }}
    >
      <div className={classes.page} ref={page} data-layout={view.layout}>
        <div className={classes.texts}>
          <Prompt messages={prompt.messages} brief={prompt.brief} language={language} />
          <div className={classes.head}>
            <h2>{t("ranking.completions", { count: offered.length })}</h2>
            {view.isFocused && (
              <nav className={classes.letters} aria-label={t("ranking.view.focus")}>
                {offered.map((id) => (
                  <button
                    key={id}
                    type="button"
                    aria-current={id === current ? "true" : undefined}
                    onClick={() => goTo(id)}
                  >
                    {letterOf(assignment, id)}
                  </button>
                ))}
              </nav>
            )}
            <ViewBar
              view={view}
              ids={offered}
              current={current === OWN ? (offered[0] ?? OWN) : current}
              letterOf={(id) => letterOf(assignment, id)}
              onRateAgain={campaign.is_rated_first && !isReading ? props.onRateAgain : undefined}
            />
          </div>
          <div className={classes.cards} onScrollCapture={scrollTogether}>
            {texts.map(({ id, text }) => (
              <CompletionCard
                key={id}
                id={id}
                text={text}
                letter={letterOf(assignment, id)}
                standing={inWords(rows, id, criterion)}
                rating={ratingOf(content, id)}
                flags={campaign.flags}
                language={language}
                isRaw={view.isRaw}
                isCurrent={id === current}
                isFolded={view.folded.has(id)}
                isHidden={view.isFocused && id !== (offered.includes(current) ? current : offered[0])}
                scrolls={view.layout === "columns" && !view.isFocused}
                isBase={id === view.base}
                base={base && id === current && id !== base.id ? base.text : null}
                numRows={ids.length}
                row={rowOf(rows, id)}
                actions={actions}
                isReading={isReading}
                isOwn={id === OWN}
              />
            ))}
          </div>
          {campaign.own_answer !== "off" && !isReading && (
            <OwnAnswer
              letter={letterOf(assignment, OWN)}
              text={content.own_answer}
              language={language}
              isOpen={isWriting || content.own_answer !== ""}
              isDemonstration={campaign.own_answer === "demonstration"}
              field={field}
              isPutAway={content.put_away !== ""}
              onOpen={write}
              onClose={closeOwn}
              onLeave={() => goTo(OWN)}
              onWrite={(text) => change((before) => withOwnAnswer(before, text))}
            />
          )}
        </div>
        <TierBoard
          assignment={assignment}
          content={content}
          criterion={criterion}
          current={current}
          isReading={isReading}
          standing={(id) => inWords(rows, id, criterion)}
          onCriterion={setCriterion}
          onSameAsOverall={sameAsOverall}
          onUndo={past.length > 0 ? undo : null}
          onClear={rows.flat().length > 0 ? clear : null}
          onFocus={setCurrent}
          onArrows={actions.arrows}
          onAllBad={toggleAllBad}
        />
      </div>
      <DragOverlay dropAnimation={null}>
        <Dragged assignment={assignment} />
      </DragOverlay>
    </DndContext>
  );
}

/** What is in the hand. It knows by itself what that is, so that nothing else is drawn anew for it. */
function Dragged({ assignment }: { assignment: Assignment }) {
  const id = useDndContext().active?.data.current?.completion as number | undefined;
  return id === undefined ? null : <span className={classes.chip}>{letterOf(assignment, id)}</span>;
}

const underPointer: typeof pointerWithin = (args) => {
  const under = pointerWithin(args);
  return under.length ? under : rectIntersection(args);
};
const AUTO_SCROLL = { canScroll: (element: Element) => element === document.scrollingElement };

// The page has a live region of its own, which says more than where the pointer is.
const nothing = () => undefined;
const SILENT = { onDragStart: nothing, onDragOver: nothing, onDragEnd: nothing, onDragCancel: nothing };
