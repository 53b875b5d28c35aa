import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import shared from "@/components/completions/completions.module.css";
import { KeyHint } from "@/components/key-hint";
import { ariaKey } from "@/lib/keyboard/own-keys";
import { ALL_BAD, ALL_EQUAL, type BestWorst, type Mark, NOTHING } from "./content";

interface MarkButtonsProps {
  letter: string;
  marked: Mark | null;
  onMark: (mark: Mark | null) => void;
}

/** Best, worst: at the foot of a completion, in sight as long as its text is. Pressed again, the mark is taken off. */
export function MarkButtons({ letter, marked, onMark }: MarkButtonsProps) {
  const { t } = useTranslation();
  const button = (mark: Mark, key: string) => (
    <Button
      variant={marked === mark ? "filled" : "default"}
      aria-label={t(`bestWorst.mark.${mark}`, { letter })}
      aria-pressed={marked === mark}
      aria-keyshortcuts={key}
      onClick={() => onMark(marked === mark ? null : mark)}
    >
      {t(`bestWorst.${mark}`)}
      <KeyHint keys={`Digit${key}`} />
    </Button>
  );
  return (
    <footer className={shared.cardFoot} data-stays>
      {button("best", "1")}
      {button("worst", "3")}
    </footer>
  );
}

interface VerdictProps {
  content: BestWorst;
  inWords: string;
  /** Absent where it is another's choice, to be read. */
  onSay: ((content: BestWorst) => void) | undefined;
}

/** What is chosen, and what can be said of all instead. */
export function Verdict({ content, inWords, onSay }: VerdictProps) {
  const { t } = useTranslation();
  const ofAll = (said: BestWorst, words: string, keys: string) => (
    <Button
      variant={content.verdict === said.verdict ? "filled" : "default"}
      fullWidth
      mt="sm"
      aria-pressed={content.verdict === said.verdict}
      aria-keyshortcuts={ariaKey(keys)}
      onClick={() => onSay?.(content.verdict === said.verdict ? NOTHING : said)}
    >
      {words}
      <KeyHint keys={keys} />
    </Button>
  );
  return (
    <section className={shared.board} aria-label={t("bestWorst.title")}>
      <h2>{t("bestWorst.title")}</h2>
      <p>{inWords}</p>
      {onSay && ofAll(ALL_EQUAL, t("bestWorst.tie"), "=")}
      {onSay && ofAll(ALL_BAD, t("ranking.allBad"), "n")}
    </section>
  );
}
