import { Button } from "@mantine/core";
import { Plus } from "lucide-react";
import { useCallback, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { useTranslation } from "react-i18next";
import { Dialogue } from "@/components/dialogue";
import { KeyHint } from "@/components/key-hint";
import { useKeys } from "@/lib/keyboard/use-keys";
import { type Offer, useSuggestions } from "@/lib/use-suggestions";
import type { WorkProps } from "@/lib/work";
import { type DemonstrationContent, mayInstruct, newTurn, openingOf } from "./content";
import classes from "./demonstration.module.css";
import {
  canMove,
  nextSpeaker,
  type WrittenTurn,
  withMoved,
  withoutTurn,
  withPart,
  withSuggestion,
  withTurn,
} from "./dialogue-edits";
import { Instructions } from "./instructions";
import { TurnEditor } from "./turn-editor";

/** One person writes both sides of a dialogue, turn by turn, with suggestions at hand. */
export function DemonstrationPage({
  assignment,
  content,
  change,
  announce,
}: WorkProps<DemonstrationContent>) {
  const { t } = useTranslation();
  const [undo, setUndo] = useState<{ sentence: string; turns: WrittenTurn[] } | null>(null);
  const [current, setCurrent] = useState(content.turns.length - 1);
  // Of a turn's alternatives the last one is shown, until another is chosen.
  const [chosen, setChosen] = useState<Record<string, number>>({});
  const page = useRef<HTMLDivElement>(null);
  const opening = openingOf(assignment, content);
  const { campaign, prompt } = assignment;
  const language = prompt.language || campaign.language;

  const setTurns = useCallback(
    (edit: (turns: WrittenTurn[]) => WrittenTurn[]) =>
      change((before) => ({ ...before, turns: edit(before.turns) })),
    [change],
  );
  const { offers, ask, stop, dismiss } = useSuggestions(
    assignment,
    ({ id, turn }) =>
      (content.turns.find((written) => written.offered.includes(id)) ?? content.turns[turn - opening.length])
        ?.key,
    useCallback(
      (key: string, id: number) =>
        setTurns((turns) =>
          turns.map((turn) => (turn.key === key ? { ...turn, offered: [...turn.offered, id] } : turn)),
        ),
      [setTurns],
    ),
  );
  /** The place of a written turn in the whole dialogue, as the server counts. */
  const placeOf = (index: number) => opening.length + index;
  const offersOf = ({ key }: WrittenTurn) =>
    (offers[key] ?? []).filter((offer) => !content.refused.includes(offer.id));
  /** A policy has learned what an assistant says; of the person's turn it knows nothing. */
  const canSuggestFor = ({ role }: WrittenTurn) => assignment.can_suggest && role === "assistant";
  const shownOf = (turn: WrittenTurn) => {
    const last = offersOf(turn).length - 1;
    return Math.min(chosen[turn.key] ?? last, last);
  };

  const fields = () => page.current?.querySelectorAll<HTMLTextAreaElement>("textarea[data-turn]");
  function focus(index: number, at?: number) {
    // At once, also for a turn that is only now being added: the next letter typed must find its field.
    flushSync(() => setCurrent(index));
    const field = fields()?.[index];
    field?.focus();
    field?.setSelectionRange(at ?? field.value.length, at ?? field.value.length);
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

  function move(index: number, step: -1 | 1) {
    if (!canMove(content.turns, index, step)) return;
    setTurns((turns) => withMoved(turns, index, step));
    setUndo(null);
    announce(t("demonstration.moved", { number: placeOf(index + 2 * step) + 1 }));
    focus(index + 2 * step);
  }

  function suggest(index: number) {
    const turn = content.turns[index];
    if (!turn) return;
    if (!canSuggestFor(turn)) {
      announce(t("suggestion.onlyAnswers"));
      return;
    }
    const before = content.turns.slice(0, index).map(({ role, content: text }) => ({ role, content: text }));
    announce(t("suggestion.asked"));
    setChosen(({ [turn.key]: _last, ...rest }) => rest);
    void ask(turn.key, placeOf(index), [...opening, ...before]);
  }

  function take(index: number, offer: Offer, editsNext: boolean) {
    const turn = content.turns[index];
    if (!turn) return;
    setUndo(turn.content.trim() ? { sentence: t("suggestion.replaced"), turns: content.turns } : null);
    setTurns((turns) => withSuggestion(turns, index, offer));
    dismiss(turn.key);
    announce(t("suggestion.taken"));
    if (editsNext) focus(index);
  }

  /** Put where the cursor is; set off from the words around it by a space. */
  function takePart(index: number, offer: Offer, words: string) {
    const field = fields()?.[index];
    const text = content.turns[index]?.content ?? "";
    const start = field?.selectionStart ?? text.length;
    const end = field?.selectionEnd ?? start;
    const isJoined = start > 0 && !/\s$/.test(text.slice(0, start));
    const put = (isJoined ? " " : "") + words;
    setUndo(null);
    setTurns((turns) => withPart(turns, index, { suggestion: offer.id, text: put }, start, end));
    announce(t("suggestion.partTaken"));
    focus(index, start + put.length);
  }

  function refuse(index: number, offer: Offer) {
    const turn = content.turns[index];
    if (!turn) return;
    if (offer.id) change((before) => ({ ...before, refused: [...before.refused, offer.id] }));
    dismiss(turn.key, offer.key);
    announce(t("suggestion.refused"));
    focus(index);
  }

  function withCurrentOffer(act: (offer: Offer) => void) {
    const turn = content.turns[current];
    const offer = turn && offersOf(turn)[shownOf(turn)];
    if (offer?.id && offer.text) act(offer);
  }

  function showNext() {
    const turn = content.turns[current];
    if (!turn || offersOf(turn).length < 2) return;
    const next = (shownOf(turn) + 1) % offersOf(turn).length;
    setChosen((before) => ({ ...before, [turn.key]: next }));
    announce(t("suggestion.alternative", { number: next + 1, of: offersOf(turn).length }));
  }

  useKeys(t("keys.demonstration"), [
    { keys: "alt+Enter", label: t("demonstration.add"), whileTyping: true, run: addTurn },
    {
      keys: "alt+ArrowUp",
      label: t("demonstration.up"),
      whileTyping: true,
      run: () => move(current, -1),
    },
    {
      keys: "alt+ArrowDown",
      label: t("demonstration.down"),
      whileTyping: true,
      run: () => move(current, 1),
    },
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
          { keys: "alt+KeyN", label: t("suggestion.nextOne"), whileTyping: true, run: showNext },
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
          number={placeOf(index) + 1}
          language={language}
          words={turn.role === "assistant" ? campaign : null}
          isCurrent={index === current}
          isLast={index === content.turns.length - 1}
          isOnly={content.turns.length === 1}
          canSuggest={canSuggestFor(turn)}
          offers={offersOf(turn)}
          shownOffer={shownOf(turn)}
          canMoveUp={turn.role === "user" && canMove(content.turns, index, -1)}
          canMoveDown={turn.role === "user" && canMove(content.turns, index, 1)}
          onFocus={() => setCurrent(index)}
          onWrite={(text) => setTurns((turns) => withTurn(turns, index, { content: text }))}
          onPaste={(length) =>
            setTurns((turns) =>
              withTurn(turns, index, {
                pastes: [...(turns[index]?.pastes ?? []), length],
              }),
            )
          }
          onMove={(step) => move(index, step)}
          onDelete={() => deleteTurn(index)}
          onAnother={() => suggest(index)}
          onTake={(offer, editsNext) => take(index, offer, editsNext)}
          onTakePart={(offer, words) => takePart(index, offer, words)}
          onRefuse={(offer) => refuse(index, offer)}
          onStop={() => stop(turn.key)}
          onShow={(shown) => setChosen((before) => ({ ...before, [turn.key]: shown }))}
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
