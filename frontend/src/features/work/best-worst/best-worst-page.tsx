import { useRef } from "react";
import { useTranslation } from "react-i18next";
import { CompletionCard } from "@/components/completions/completion-card";
import { Completions } from "@/components/completions/completions";
import shared from "@/components/completions/completions.module.css";
import { useGoingKeys, useViewKeys } from "@/components/completions/keys";
import { useInHand } from "@/components/completions/use-in-hand";
import { useView } from "@/components/completions/use-view";
import { type KeyBinding, useKeys } from "@/lib/keyboard/use-keys";
import type { WorkProps } from "@/lib/work";
import {
  ALL_BAD,
  ALL_EQUAL,
  type BestWorst,
  inWords,
  letterOf as letterIn,
  type Mark,
  markOf,
  withMark,
} from "./content";
import { MarkButtons, Verdict } from "./marks";

interface BestWorstProps extends WorkProps<BestWorst> {
  /** Another's choice, to be read and not changed. */
  isReading?: boolean;
}

/** Several completions, of which one is marked as the best and one as the worst. */
export function BestWorstPage({ assignment, content, change, announce, isReading }: BestWorstProps) {
  const { t } = useTranslation();
  const page = useRef<HTMLDivElement>(null);
  const view = useView();
  const ids = assignment.completions.map(({ id }) => id);
  const { current, setCurrent, goTo, step } = useInHand(page, ids);
  const letterOf = (id: number) => letterIn(assignment, id);

  function mark(id: number, as: Mark | null) {
    change((before) => withMark(before, id, as));
    announce(t(`bestWorst.is.${as ?? "neither"}`, { letter: letterOf(id) }));
  }
  function sayOfAll(said: BestWorst) {
    change(() => said);
    announce(inWords(assignment, said, t));
  }

  const marking: KeyBinding[] = [
    { keys: "Digit1", label: t("bestWorst.keys.best"), run: () => mark(current, "best") },
    { keys: "Digit3", label: t("bestWorst.keys.worst"), run: () => mark(current, "worst") },
    {
      keys: ["Digit2", "Digit0", "Backspace"],
      label: t("bestWorst.keys.neither"),
      run: () => mark(current, null),
    },
    { keys: ["Digit4", "="], label: t("bestWorst.tie"), run: () => sayOfAll(ALL_EQUAL) },
    { keys: "n", label: t("ranking.allBad"), run: () => sayOfAll(ALL_BAD) },
  ];
  useKeys(t("keys.bestWorst"), [
    ...useGoingKeys(ids, goTo, step),
    ...(isReading ? [] : marking),
    ...useViewKeys(view, current),
  ]);

  return (
    <div className={shared.page} ref={page} data-layout={view.layout}>
      <Completions
        assignment={assignment}
        texts={assignment.completions}
        view={view}
        current={current}
        letterOf={letterOf}
        goTo={goTo}
        card={({ id, text }, look) => (
          <CompletionCard
            key={id}
            {...look}
            id={id}
            text={text}
            letter={letterOf(id)}
            language={assignment.prompt.language || assignment.campaign.language}
            takesFocus
            onFocus={setCurrent}
            onFold={view.fold}
            head={
              <span className={shared.standing}>
                {t(isReading ? `bestWorst.is.${markOf(content, id) ?? "neither"}` : "ranking.completion", {
                  letter: letterOf(id),
                })}
              </span>
            }
          >
            {!isReading && (
              <MarkButtons letter={letterOf(id)} marked={markOf(content, id)} onMark={(as) => mark(id, as)} />
            )}
          </CompletionCard>
        )}
      />
      <Verdict
        content={content}
        inWords={inWords(assignment, content, t)}
        onSay={isReading ? undefined : sayOfAll}
      />
    </div>
  );
}

const nothing = () => undefined;

/** Another's choice, to be read. */
export function BestWorstReading(props: Pick<WorkProps<BestWorst>, "assignment" | "content">) {
  return <BestWorstPage {...props} change={nothing} announce={nothing} isReading />;
}
