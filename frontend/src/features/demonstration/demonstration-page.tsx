import { Button } from "@mantine/core";
import { Plus } from "lucide-react";
import { useRef, useState } from "react";
import { flushSync } from "react-dom";
import { useTranslation } from "react-i18next";
import { Dialogue } from "@/components/dialogue";
import { KeyHint } from "@/components/key-hint";
import { useKeys } from "@/lib/keyboard/use-keys";
import type { WorkProps } from "@/lib/work";
import { type DemonstrationContent, newTurn } from "./content";
import classes from "./demonstration.module.css";
import { nextSpeaker, type WrittenTurn, withoutTurn, withSuggestion, withText } from "./dialogue-edits";
import { TurnEditor } from "./turn-editor";
import { type Offer, useSuggestions } from "./use-suggestions";

/** One person writes both sides of a dialogue, turn by turn, with suggestions at hand. */
export function DemonstrationPage({
  assignment,
  content,
  change,
  announce,
}: WorkProps<DemonstrationContent>) {
  const { t } = useTranslation();
  const { offers, ask, stop, dismiss } = useSuggestions(assignment);
  const [undo, setUndo] = useState<{ sentence: string; turns: WrittenTurn[] } | null>(null);
  const [current, setCurrent] = useState(content.turns.length - 1);
  const page = useRef<HTMLDivElement>(null);
  const opening = assignment.prompt.messages;
  const language = assignment.prompt.language || assignment.campaign.language;

  /** The place of a written turn in the whole dialogue, as the server counts. */
  const placeOf = (index: number) => opening.length + index;
  const shownOffer = (index: number): Offer | null => {
    const offer = offers[placeOf(index)];
    return offer && !content.refused.includes(offer.id) ? offer : null;
  };

  function setTurns(edit: (turns: WrittenTurn[]) => WrittenTurn[]) {
    change((before) => ({ ...before, turns: edit(before.turns) }));
  }

  function focus(index: number) {
    // At once, also for a turn that is only now being added: the next letter typed must find its field.
    flushSync(() => setCurrent(index));
    const field = page.current?.querySelectorAll<HTMLTextAreaElement>("textarea")[index];
    field?.focus();
    field?.setSelectionRange(field.value.length, field.value.length);
  }

  function addTurn() {
    setTurns((turns) => [...turns, newTurn(nextSpeaker([...opening, ...turns]))]);
    setUndo(null);
    focus(content.turns.length);
  }

  function deleteTurn(index: number) {
    setUndo({ sentence: t("demonstration.deleted"), turns: content.turns });
    setTurns((turns) => {
      const left = withoutTurn(turns, index);
      return left.length ? left : [newTurn(nextSpeaker(opening))];
    });
    announce(t("demonstration.deleted"));
    focus(Math.max(0, Math.min(index, content.turns.length - 2)));
  }

  function suggest(index: number) {
    const before = content.turns.slice(0, index).map(({ role, content: text }) => ({ role, content: text }));
    announce(t("suggestion.asked"));
    void ask(placeOf(index), [...opening, ...before]);
  }

  function take(index: number, offer: Offer, editsNext: boolean) {
    const replaced = content.turns[index]?.content.trim();
    setUndo(replaced ? { sentence: t("suggestion.replaced"), turns: content.turns } : null);
    setTurns((turns) => withSuggestion(turns, index, offer));
    dismiss(placeOf(index));
    announce(t("suggestion.taken"));
    if (editsNext) focus(index);
  }

  function refuse(index: number, offer: Offer) {
    change((before) => ({ ...before, refused: [...before.refused, offer.id] }));
    dismiss(placeOf(index));
    announce(t("suggestion.refused"));
    focus(index);
  }

  function withCurrentOffer(act: (offer: Offer) => void) {
    const offer = shownOffer(current);
    if (offer?.id && offer.text) act(offer);
  }

  useKeys(t("keys.demonstration"), [
    { keys: "alt+Enter", label: t("demonstration.add"), whileTyping: true, run: addTurn },
    ...(assignment.can_suggest
      ? [
          { keys: "alt+KeyS", label: t("suggestion.ask"), whileTyping: true, run: () => suggest(current) },
          {
            keys: "alt+KeyT",
            label: t("suggestion.take"),
            whileTyping: true,
            run: () => withCurrentOffer((offer) => take(current, offer, false)),
          },
          {
            keys: "alt+KeyE",
            label: t("suggestion.edit"),
            whileTyping: true,
            run: () => withCurrentOffer((offer) => take(current, offer, true)),
          },
          {
            keys: "alt+KeyR",
            label: t("suggestion.refuse"),
            whileTyping: true,
            run: () => withCurrentOffer((offer) => refuse(current, offer)),
          },
        ]
      : []),
    { keys: "e", label: t("demonstration.write"), run: () => focus(current) },
  ]);

  return (
    <div className={classes.page} ref={page} data-measure>
      <Dialogue messages={opening} brief={assignment.prompt.brief} language={language} />
      {content.turns.map((turn, index) => (
        <TurnEditor
          key={turn.key}
          turn={turn}
          number={placeOf(index) + 1}
          language={language}
          isCurrent={index === current}
          isLast={index === content.turns.length - 1}
          isOnly={content.turns.length === 1}
          canSuggest={assignment.can_suggest}
          offer={shownOffer(index)}
          onFocus={() => setCurrent(index)}
          onWrite={(text) => setTurns((turns) => withText(turns, index, text))}
          onDelete={() => deleteTurn(index)}
          onSuggest={() => suggest(index)}
          onTake={(offer, editsNext) => take(index, offer, editsNext)}
          onRefuse={(offer) => refuse(index, offer)}
          onStop={() => stop(placeOf(index))}
        />
      ))}
      {undo && (
        <p className={classes.undo}>
          {undo.sentence}
          <Button
            size="compact-sm"
            variant="default"
            onClick={() => {
              setTurns(() => undo.turns);
              setUndo(null);
            }}
          >
            {t("demonstration.undo")}
          </Button>
        </p>
      )}
      <Button
        variant="default"
        className={classes.add}
        leftSection={<Plus size={16} />}
        onClick={addTurn}
        aria-keyshortcuts="Alt+Enter"
      >
        {t(`demonstration.addAs.${nextSpeaker([...opening, ...content.turns])}`)}
        <KeyHint keys="alt+Enter" />
      </Button>
    </div>
  );
}
