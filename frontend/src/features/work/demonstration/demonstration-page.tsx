import { Button } from "@mantine/core";
import { Plus } from "lucide-react";
import { useRef } from "react";
import { useTranslation } from "react-i18next";
import { Dialogue } from "@/components/dialogue";
import { KeyHint } from "@/components/key-hint";
import { useKeys } from "@/lib/keyboard/use-keys";
import type { WorkProps } from "@/lib/work";
import { type DemonstrationContent, mayInstruct } from "./content";
import classes from "./demonstration.module.css";
import { canMove, nextSpeaker, withTurn } from "./dialogue-edits";
import { Instructions } from "./instructions";
import { TurnEditor } from "./turn-editor";
import { useOffers } from "./use-offers";
import { useTurns } from "./use-turns";

/** One person writes both sides of a dialogue, turn by turn, with suggestions at hand. */
export function DemonstrationPage(props: WorkProps<DemonstrationContent>) {
  const { assignment, content, change } = props;
  const { t } = useTranslation();
  const page = useRef<HTMLDivElement>(null);
  const turns = useTurns(props, page);
  const offers = useOffers(props, turns);
  const { current } = turns;
  const { campaign, prompt } = assignment;
  const language = prompt.language || campaign.language;

  useKeys(t("keys.demonstration"), [
    { keys: "alt+Enter", label: t("demonstration.add"), whileTyping: true, run: turns.addTurn },
    {
      keys: "alt+ArrowUp",
      label: t("demonstration.up"),
      whileTyping: true,
      run: () => turns.move(current, -1),
    },
    {
      keys: "alt+ArrowDown",
      label: t("demonstration.down"),
      whileTyping: true,
      run: () => turns.move(current, 1),
    },
    ...(assignment.can_suggest
      ? [
          {
            keys: "alt+KeyS",
            label: t("suggestion.ask"),
            whileTyping: true,
            run: () => offers.suggest(current),
          },
          {
            keys: "alt+KeyT",
            label: t("suggestion.take"),
            whileTyping: true,
            run: () => offers.withCurrentOffer((offer) => offers.take(current, offer, false)),
          },
          {
            keys: "alt+KeyE",
            label: t("suggestion.edit"),
            whileTyping: true,
            run: () => offers.withCurrentOffer((offer) => offers.take(current, offer, true)),
          },
          { keys: "alt+KeyN", label: t("suggestion.nextOne"), whileTyping: true, run: offers.showNext },
          {
            keys: "alt+KeyR",
            label: t("suggestion.refuse"),
            whileTyping: true,
            run: () => offers.withCurrentOffer((offer) => offers.refuse(current, offer)),
          },
        ]
      : []),
    { keys: "e", label: t("demonstration.write"), run: () => turns.focus(current) },
  ]);

  return (
    <div className={classes.page} ref={page} data-measure>
      {mayInstruct(assignment) && (
        <Instructions
          text={content.system}
          language={language}
          onWrite={(system) => change((before) => ({ ...before, system }))}
        />
      )}
      <Dialogue messages={prompt.messages} brief={prompt.brief} language={language} />
      {content.turns.map((turn, index) => (
        <TurnEditor
          key={turn.key}
          turn={turn}
          number={turns.placeOf(index) + 1}
          language={language}
          words={turn.role === "assistant" ? campaign : null}
          isCurrent={index === turns.current}
          isLast={index === content.turns.length - 1}
          isOnly={content.turns.length === 1}
          canSuggest={offers.canSuggestFor(turn)}
          offers={offers.offersOf(turn)}
          shownOffer={offers.shownOf(turn)}
          canMoveUp={turn.role === "user" && canMove(content.turns, index, -1)}
          canMoveDown={turn.role === "user" && canMove(content.turns, index, 1)}
          onFocus={() => turns.setCurrent(index)}
          onWrite={(text) => turns.setTurns((turns) => withTurn(turns, index, { content: text }))}
          onPaste={(length) =>
            turns.setTurns((turns) =>
              withTurn(turns, index, {
                pastes: [...(turns[index]?.pastes ?? []), length],
              }),
            )
          }
          onMove={(step) => turns.move(index, step)}
          onDelete={() => turns.deleteTurn(index)}
          onAnother={() => offers.suggest(index)}
          onTake={(offer, editsNext) => offers.take(index, offer, editsNext)}
          onTakePart={(offer, words) => offers.takePart(index, offer, words)}
          onRefuse={(offer) => offers.refuse(index, offer)}
          onStop={() => offers.stop(turn.key)}
          onShow={(shown) => offers.show(turn, shown)}
        />
      ))}
      {turns.undo && (
        <p className={classes.undo}>
          {turns.undo.sentence}
          <Button size="compact-sm" variant="default" onClick={turns.undoIt}>
            {t("demonstration.undo")}
          </Button>
        </p>
      )}
      <Button
        variant="default"
        className={classes.add}
        leftSection={<Plus size={16} />}
        onClick={turns.addTurn}
        aria-keyshortcuts="Alt+Enter"
      >
        {t(`demonstration.addAs.${nextSpeaker([...turns.opening, ...content.turns])}`)}
        <KeyHint keys="alt+Enter" />
      </Button>
    </div>
  );
}
