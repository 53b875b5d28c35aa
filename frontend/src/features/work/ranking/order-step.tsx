import { type KeyboardEvent, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Completions } from "@/components/completions/completions";
import shared from "@/components/completions/completions.module.css";
import { useGoingKeys, useViewKeys } from "@/components/completions/keys";
import { useInHand } from "@/components/completions/use-in-hand";
import { useView } from "@/components/completions/use-view";
import { Toggle } from "@/components/completions/view-bar";
import { useKeys } from "@/lib/keyboard/use-keys";
import type { WorkProps } from "@/lib/work";
import { idsOf, letterOf as letterIn, OWN, type RankingContent, ratingOf, withOwnAnswer } from "./content";
import { Dragging } from "./dragging";
import { OwnAnswer } from "./own-answer";
import { type CardActions, RankedCard } from "./ranked-card";
import { TierBoard } from "./tier-board";
import { moveDown, moveUp, place, rowOf, unplace } from "./tiers";
import { useOrderKeys } from "./use-order-keys";
import { useOrdering } from "./use-ordering";
import { useWriting } from "./use-writing";

interface OrderStepProps extends WorkProps<RankingContent> {
  rate: (id: number, value: number | null) => void;
  flag: (id: number, flag: string) => void;
  onRateAgain: () => void;
  /** Another's order, to be read and not changed. */
  isReading?: boolean;
}

/** All completions and the shelf: ordered by mouse, by touch, by keyboard, or by menu. */
export function OrderStep(props: OrderStepProps) {
  const { assignment, content, change, rate, flag, isReading = false } = props;
  const { t } = useTranslation();
  const { campaign, completions, prompt } = assignment;
  const [criterion, setCriterion] = useState("");
  const page = useRef<HTMLDivElement>(null);
  const view = useView();
  const ordering = useOrdering({ ...props, criterion, isReading });
  const { rows, order } = ordering;
  const writing = useWriting(props, ordering.remember);
  // To be read, an own answer is one completion more.
  const texts =
    isReading && content.own_answer ? [...completions, { id: OWN, text: content.own_answer }] : completions;
  const offered = texts.map((completion) => completion.id);
  const inHand = useInHand(page, offered);
  const { current, setCurrent } = inHand;
  const ids = idsOf(assignment, content.own_answer);
  const language = prompt.language || campaign.language;
  const letterOf = (id: number) => letterIn(assignment, id);
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
    [rate, flag, order, view.fold, setCurrent],
  );

  function goTo(id: number) {
    inHand.goTo(id);
    // One's own answer is a field; its letter stands on the shelf alone.
    if (id === OWN) page.current?.querySelector<HTMLElement>(`[data-chip="${letterOf(OWN)}"]`)?.focus();
  }

  function closeOwn() {
    writing.close();
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

  const goingKeys = useGoingKeys(ids, goTo, inHand.step);
  const orderKeys = useOrderKeys(assignment, {
    ordering,
    current,
    count: ids.length,
    rate,
    toFlags,
    write: writing.write,
  });
  const viewKeys = useViewKeys(view, current);
  const criterionKeys =
    campaign.criteria.length > 0
      ? [{ keys: "p", label: t("ranking.keys.criterion"), run: nextCriterion }]
      : [];
  useKeys(t("keys.ranking"), [...goingKeys, ...(isReading ? [] : orderKeys), ...criterionKeys, ...viewKeys]);

  return (
    <Dragging letterOf={letterOf} order={order}>
      <div className={shared.page} ref={page} data-layout={view.layout}>
        <Completions
          assignment={assignment}
          texts={texts}
          view={view}
          current={current}
          letterOf={letterOf}
          goTo={goTo}
          beside={
            campaign.is_rated_first &&
            !isReading && <Toggle label={t("ranking.view.rateAgain")} onToggle={props.onRateAgain} />
          }
          card={({ id, text }, look) => (
            <RankedCard
              key={id}
              {...look}
              id={id}
              text={text}
              letter={letterOf(id)}
              standing={ordering.standing(id)}
              rating={ratingOf(content, id)}
              flags={campaign.flags}
              language={language}
              numRows={ids.length}
              row={rowOf(rows, id)}
              actions={actions}
              isReading={isReading}
              isOwn={id === OWN}
            />
          )}
        >
          {campaign.own_answer !== "off" && !isReading && (
            <OwnAnswer
              letter={letterOf(OWN)}
              text={content.own_answer}
              language={language}
              isOpen={writing.isOpen}
              isDemonstration={campaign.own_answer === "demonstration"}
              field={writing.field}
              isPutAway={content.put_away !== ""}
              onOpen={writing.write}
              onClose={closeOwn}
              onLeave={() => goTo(OWN)}
              onWrite={(text) => change((before) => withOwnAnswer(before, text))}
            />
          )}
        </Completions>
        <TierBoard
          assignment={assignment}
          content={content}
          criterion={criterion}
          current={current}
          isReading={isReading}
          standing={ordering.standing}
          onCriterion={setCriterion}
          onSameAsOverall={ordering.sameAsOverall}
          onUndo={ordering.canUndo ? ordering.undo : null}
          onClear={rows.flat().length > 0 ? ordering.clear : null}
          onFocus={setCurrent}
          onArrows={actions.arrows}
          onAllBad={ordering.toggleAllBad}
        />
      </div>
    </Dragging>
  );
}
