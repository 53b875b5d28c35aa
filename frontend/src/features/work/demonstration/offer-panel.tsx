import { Button } from "@mantine/core";
import { useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { KeyHint } from "@/components/key-hint";
import { Markdown } from "@/components/markdown/markdown";
import type { Offer } from "@/lib/use-suggestions";
import classes from "./demonstration.module.css";
import { sentencesOf } from "./sentences";

export interface OfferActions {
  onTake: (offer: Offer, editsNext: boolean) => void;
  onTakePart: (offer: Offer, text: string) => void;
  onRefuse: (offer: Offer) => void;
  onStop: () => void;
  /** Another one, or the same again when it failed. */
  onAnother: () => void;
  onShow: (index: number) => void;
}

interface OfferPanelProps extends OfferActions {
  offers: Offer[];
  /** Which of them is shown. */
  shown: number;
  isCurrent: boolean;
  language: string;
}

/** What the policy suggests for a turn, one alternative at a time, and what can be done with it. */
export function OfferPanel({ offers, shown, isCurrent, language, ...act }: OfferPanelProps) {
  const { t } = useTranslation();
  const text = useRef<HTMLDivElement>(null);
  const [partsOf, setPartsOf] = useState<number | null>(null);
  const offer = offers[shown];
  if (!offer) return null;
  const hint = (keys: string) => isCurrent && <KeyHint keys={keys} />;
  const isStreaming = offer.state === "streaming";
  const takesParts = partsOf === offer.key && !isStreaming;

  /** What is marked in the suggestion, or else its sentences to choose from. */
  function takePart() {
    const marked = window.getSelection();
    const isHere = marked?.anchorNode && text.current?.contains(marked.anchorNode);
    const words = isHere ? marked.toString().trim() : "";
    if (words && offer) act.onTakePart(offer, words);
    else setPartsOf(takesParts ? null : (offer?.key ?? null));
  }

  return (
    <div className={classes.offer} data-state={offer.state}>
      <div className={classes.offerHead}>
        <h3>{t(`suggestion.state.${offer.state}`)}</h3>
        {offers.length > 1 && (
          <nav className={classes.alternatives} aria-label={t("suggestion.alternatives")}>
            {offers.map((other, index) => (
              <button
                key={other.key}
                type="button"
                aria-current={index === shown ? "true" : undefined}
                aria-label={t("suggestion.alternative", { number: index + 1, of: offers.length })}
                onClick={() => act.onShow(index)}
              >
                {index + 1}
              </button>
            ))}
            {hint("alt+KeyN")}
          </nav>
        )}
      </div>
      {takesParts ? (
        <Sentences text={offer.text} language={language} onTake={(words) => act.onTakePart(offer, words)} />
      ) : (
        offer.text && (
          <div ref={text}>
            <Markdown text={offer.text} language={language} />
          </div>
        )
      )}
      {offer.state === "failed" && (
        <p className={classes.failed} role="alert">
          {offer.detail || t("suggestion.broken")}
        </p>
      )}
      <div className={classes.offerActions}>
        {isStreaming && (
          <Button size="xs" variant="default" onClick={act.onStop}>
            {t("suggestion.stop")}
          </Button>
        )}
        {!isStreaming && offer.id > 0 && offer.text && (
          <div>
            <Button size="xs" onClick={() => act.onTake(offer, false)} aria-keyshortcuts="Alt+T">
              {t("suggestion.take")}
              {hint("alt+KeyT")}
            </Button>
            <Button
              size="xs"
              variant="default"
              onClick={() => act.onTake(offer, true)}
              aria-keyshortcuts="Alt+E"
            >
              {t("suggestion.edit")}
              {hint("alt+KeyE")}
            </Button>
            <Button
              size="xs"
              variant="default"
              // What is marked stays marked.
              onMouseDown={(event) => event.preventDefault()}
              onClick={takePart}
              aria-pressed={takesParts}
            >
              {t("suggestion.part")}
            </Button>
          </div>
        )}
        {!isStreaming && (
          <div>
            <Button size="xs" variant="default" onClick={act.onAnother} aria-keyshortcuts="Alt+S">
              {offer.state === "failed" ? t("common.tryAgain") : t("suggestion.another")}
              {hint("alt+KeyS")}
            </Button>
            <Button size="xs" variant="default" onClick={() => act.onRefuse(offer)} aria-keyshortcuts="Alt+R">
              {offer.text ? t("suggestion.refuse") : t("common.close")}
              {hint("alt+KeyR")}
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}

interface SentencesProps {
  text: string;
  language: string;
  onTake: (words: string) => void;
}

/** A suggestion sentence by sentence, each to be put where the cursor is. */
function Sentences({ text, language, onTake }: SentencesProps) {
  const { t } = useTranslation();
  const sentences = useMemo(() => sentencesOf(text, language), [text, language]);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset's legend would take a line of its own
    <div className={classes.sentences} role="group" aria-label={t("suggestion.chooseParts")} lang={language}>
      <p className={classes.hint}>{t("suggestion.chooseParts")}</p>
      {sentences.map((sentence, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a sentence is its place
        <button key={index} type="button" dir="auto" onClick={() => onTake(sentence)}>
          {sentence}
        </button>
      ))}
    </div>
  );
}
