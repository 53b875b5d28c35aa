import { Button } from "@mantine/core";
import { useCallback, useEffect, useId, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { useTranslation } from "react-i18next";
import card from "@/components/answer-card.module.css";
import { ChoiceScale } from "@/components/choice-scale";
import { Dialogue } from "@/components/dialogue";
import { KeyHint } from "@/components/key-hint";
import { Markdown } from "@/components/markdown/markdown";
import { WritingField } from "@/components/writing-field";
import { type Choice, choiceInWords, scaleOf } from "@/lib/choice";
import { lettersOfTwo } from "@/lib/keyboard/letters";
import { ariaKey } from "@/lib/keyboard/own-keys";
import { useKeys } from "@/lib/keyboard/use-keys";
import { type Offer, useSuggestions } from "@/lib/use-suggestions";
import type { WorkProps } from "@/lib/work";
import classes from "./chat.module.css";
import {
  areSame,
  askedAgain,
  type ChatContent,
  type ChatTurn,
  choiceOf,
  chosenText,
  isAsked,
  messagesOf,
  newTurn,
  pairOf,
  withAnswers,
  withChoice,
} from "./content";

const placeOf = ({ pair }: ChatTurn, side: number) => `${pair}:${side}`;
const noTurn = () => undefined;
const noNote = () => undefined;

/** A dialogue with the current policy: one answer at each turn, or two of which one is chosen. */
export function ChatPage({ assignment, content, change, announce }: WorkProps<ChatContent>) {
  const { t } = useTranslation();
  const { campaign, prompt, submitted, reviewed } = assignment;
  // What was handed in can be judged otherwise, but not be continued.
  const isGiven = submitted !== null || reviewed !== null;
  const [isRaw, setRaw] = useState(false);
  const page = useRef<HTMLDivElement>(null);
  const { offers, ask, stop } = useSuggestions(assignment, noTurn, noNote);
  const language = prompt.language || campaign.language;
  const last = content.turns.at(-1);
  const sides = Array.from({ length: campaign.num_completions }, (_nothing, side) => side);
  const coming = last ? sides.flatMap((side) => offers[placeOf(last, side)]?.at(-1) ?? []) : [];
  const isStreaming = coming.some(({ state }) => state === "streaming");
  const failed = coming.find(({ state }) => state === "failed");
  const isSame = last !== undefined && areSame(last.answers);
  const isPair = last !== undefined && last.answers.length > 1 && !isSame;
  const canSay = !isGiven && (!last || last.chosen !== null);
  const said = messagesOf(assignment, content.turns);
  const answersPrompt = !last && isAsked(prompt.messages);
  const canEdit = campaign.own_answer !== "off" && last !== undefined && last.chosen !== null;

  const setLast = useCallback(
    (edit: (turn: ChatTurn) => ChatTurn) =>
      change((before) => ({
        ...before,
        turns: before.turns.map((turn, at) => (at === before.turns.length - 1 ? edit(turn) : turn)),
      })),
    [change],
  );

  // The answers are shown, and kept, together: when all have come, or were stopped, or broke off with some words.
  useEffect(() => {
    if (!last || last.answers.length || !isWhole(coming, campaign.num_completions)) return;
    const answers = coming.map(({ id, text }) => ({ suggestion: id, text }));
    setLast((turn) => (turn.key === last.key ? withAnswers(turn, answers) : turn));
    announce(t("chat.arrived", { count: answers.length }));
  }, [announce, campaign.num_completions, coming, last, setLast, t]);

  function answer(turn: ChatTurn, before: ChatTurn[], written: string) {
    change(() => ({ turns: [...before, turn], written }));
    const messages = messagesOf(assignment, [...before, turn]);
    for (const side of sides)
      void ask(placeOf(turn, side), messages.length, messages, { pair: turn.pair, side });
    announce(t("chat.asked", { count: sides.length }));
    // Keys that judge are for the page, not for a field.
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  }

  function send() {
    if (!canSay) return;
    if (answersPrompt) answer(newTurn(""), [], content.written);
    else if (content.written.trim()) answer(newTurn(content.written), content.turns, "");
    else focus("written");
  }

  function again() {
    if (last && !isStreaming) answer(askedAgain(last), content.turns.slice(0, -1), content.written);
  }

  function takeBack() {
    if (!last) return;
    for (const side of sides) stop(placeOf(last, side));
    flushSync(() =>
      change(({ turns, written }) => ({
        turns: turns.slice(0, -1),
        written: [last.content, written].filter(Boolean).join("\n\n"),
      })),
    );
    announce(t("chat.takenBack"));
    focus("written");
  }

  function stopAll() {
    if (last) for (const side of sides) stop(placeOf(last, side));
  }

  function choose(choice: Choice | undefined) {
    if (!last || !choice) return;
    setLast((turn) => withChoice(turn, choice));
    announce(choiceInWords(pairOf(last), choice, t));
  }

  function edit() {
    if (!canEdit) return;
    flushSync(() => setLast((turn) => ({ ...turn, edited: turn.edited ?? chosenText(turn) })));
    focus("edited");
  }

  function focus(name: "written" | "edited") {
    // At once, also when the field is only now being added: the next letter typed must find it.
    const field = page.current?.querySelector<HTMLTextAreaElement>(`textarea[data-field=${name}]`);
    field?.focus();
    field?.setSelectionRange(field.value.length, field.value.length);
  }

  const scale = last && isPair ? scaleOf(pairOf(last)) : [];
  useKeys(t("keys.chat"), [
    ...(isGiven
      ? []
      : [
          { keys: "alt+Enter", label: t("chat.send"), whileTyping: true, run: send },
          { keys: "w", label: t("chat.write"), run: () => focus("written") },
          { keys: "t", label: t("chat.again"), run: again },
          { keys: "x", label: t("chat.stop"), run: stopAll },
          { keys: "p", label: t("chat.back"), run: takeBack },
        ]),
    ...(campaign.num_completions > 1
      ? [
          {
            keys: ["1", "2", "3", "4", "5", "6", "7"].map((digit) => `Digit${digit}`),
            shownAs: "1 … 7",
            label: t("comparison.keys.choose"),
            run: (event: KeyboardEvent) => choose(scale[Number(event.code.slice(-1)) - 1]),
          },
          lettersOfTwo(t("ranking.keys.letter"), () =>
            page.current?.querySelectorAll("article[data-suggestion]"),
          ),
        ]
      : []),
    ...(campaign.own_answer === "off" ? [] : [{ keys: "e", label: t("chat.edit"), run: edit }]),
    { keys: "v", label: t("text.raw"), run: () => setRaw((raw) => !raw) },
  ]);

  const button = (keys: string, label: string, onClick: () => void) => (
    <Button size="xs" variant="default" aria-keyshortcuts={ariaKey(keys)} onClick={onClick}>
      {label}
      <KeyHint keys={keys} />
    </Button>
  );

  return (
    <div className={classes.page} ref={page}>
      <div className={classes.said}>
        <Dialogue
          messages={last && last.chosen !== null ? said.slice(0, -1) : said}
          brief={prompt.brief}
          language={language}
          isRaw={isRaw}
        />
      </div>
      {isGiven && <EarlierChoices turns={content.turns.slice(0, -1)} language={language} isRaw={isRaw} />}
      {last && (
        <section className={classes.turn} aria-label={t("chat.answers", { count: sides.length })}>
          <div className={classes.answers} data-two={isPair || undefined}>
            {(isSame ? last.answers.slice(0, 1) : last.answers).map(({ suggestion, text }, index) => (
              <article
                key={suggestion}
                className={card.card}
                data-suggestion={suggestion}
                tabIndex={-1}
                data-chosen={(isPair && last.chosen === suggestion) || undefined}
                aria-label={isPair ? t("ranking.completion", { letter: "AB"[index] }) : t("chat.answer")}
              >
                {isPair && (
                  <p className={card.name} aria-hidden="true">
                    {"AB"[index]}
                  </p>
                )}
                <Markdown text={text} isRaw={isRaw} language={language} />
              </article>
            ))}
            {isStreaming && (
              <div className={card.card} aria-busy="true">
                <p className={card.name}>{t("chat.asked", { count: sides.length })}</p>
                {sides.length === 1 && coming[0]?.text && (
                  <Markdown text={coming[0].text} isRaw={isRaw} language={language} />
                )}
              </div>
            )}
          </div>
          {!isStreaming && (failed || last.answers.length === 0) && (
            <p className={classes.failed} role="alert">
              {failed?.detail || t(last.answers.length ? "chat.broken" : "chat.noAnswer")}
            </p>
          )}
          {isSame && <p className={classes.same}>{t("chat.same")}</p>}
          {isPair && (
            <ChoiceScale
              name={`choice-${last.key}`}
              pair={pairOf(last)}
              content={choiceOf(last)}
              onChoose={choose}
            />
          )}
          {last.edited !== null && canEdit && (
            <Field
              name="edited"
              label={t("chat.edited")}
              text={last.edited}
              language={language}
              onWrite={(edited) => setLast((turn) => ({ ...turn, edited }))}
            />
          )}
          <div className={classes.actions}>
            {isStreaming && button("x", t("chat.stop"), stopAll)}
            {canEdit && last.edited === null && button("e", t("chat.edit"), edit)}
            {last.edited !== null && (
              <Button
                size="xs"
                variant="default"
                onClick={() => setLast((turn) => ({ ...turn, edited: null }))}
              >
                {t("chat.asItWas")}
              </Button>
            )}
            {!isGiven && !isStreaming && button("t", t("chat.again"), again)}
            {!isGiven && button("p", t("chat.back"), takeBack)}
          </div>
        </section>
      )}
      {canSay && (
        <div className={classes.compose}>
          {!answersPrompt && (
            <Field
              name="written"
              label={t("chat.written")}
              hint={<KeyHint keys="w" />}
              text={content.written}
              language={language}
              onWrite={(written) => change((before) => ({ ...before, written }))}
            />
          )}
          <Button variant={last ? "default" : "filled"} aria-keyshortcuts="Alt+Enter" onClick={send}>
            {t(answersPrompt ? "chat.getAnswer" : "chat.send")}
            <KeyHint keys="alt+Enter" />
          </Button>
        </div>
      )}
    </div>
  );
}

/** Of a dialogue that was handed in: the turns before the last one, each with its two answers and the choice. */
function EarlierChoices({ turns, language, isRaw }: { turns: ChatTurn[]; language: string; isRaw: boolean }) {
  const { t } = useTranslation();
  return turns.map(
    (turn, index) =>
      turn.answers.length > 1 && (
        <details key={turn.key} className={classes.earlier}>
          <summary>
            {t("chat.turn", {
              number: index + 1,
              choice: choiceInWords(pairOf(turn), choiceOf(turn), t),
            })}
          </summary>
          <div className={classes.answers} data-two>
            {turn.answers.map(({ suggestion, text }, at) => (
              <article
                key={suggestion}
                className={card.card}
                data-chosen={(turn.strength !== null && turn.chosen === suggestion) || undefined}
                aria-label={t("ranking.completion", { letter: "AB"[at] })}
              >
                <p className={card.name} aria-hidden="true">
                  {"AB"[at]}
                </p>
                <Markdown text={text} isRaw={isRaw} language={language} />
              </article>
            ))}
          </div>
        </details>
      ),
  );
}

const isWhole = (coming: Offer[], num: number) =>
  coming.length === num && coming.every(({ id, text, state }) => id && text.trim() && state !== "streaming");

interface FieldProps {
  name: "written" | "edited";
  label: string;
  hint?: React.ReactNode;
  text: string;
  language: string;
  onWrite: (text: string) => void;
}

function Field({ name, label, hint, text, language, onWrite }: FieldProps) {
  const id = useId();
  return (
    <div className={classes.field}>
      <label htmlFor={id}>
        {label}
        {hint}
      </label>
      <WritingField id={id} lines={2} data-field={name} lang={language} value={text} onWrite={onWrite} />
    </div>
  );
}
