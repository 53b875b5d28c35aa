import { ChevronDown, ChevronUp } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { CompletionText } from "./completion-text";
import classes from "./completions.module.css";
import type { Look } from "./look";

export interface CompletionCardProps extends Look {
  id: number;
  text: string;
  letter: string;
  language: string;
  /** The keys that lead to it give it the focus; else what stands at its head takes it. */
  takesFocus?: boolean;
  onFocus: (id: number) => void;
  onFold: (id: number) => void;
}

interface Parts {
  /** Beside its letter. */
  head: ReactNode;
  /** What is said of it, below its text. */
  children: ReactNode;
}

/** One completion: what stands at its head, its text, and what is said of it. */
export function CompletionCard(props: CompletionCardProps & Parts) {
  const { t } = useTranslation();
  const { id, letter, isFolded } = props;
  const fold = t(isFolded ? "ranking.unfold" : "ranking.fold", { letter });
  return (
    <article
      className={classes.card}
      data-completion={id}
      data-current={props.isCurrent || undefined}
      aria-label={t("ranking.completion", { letter })}
      tabIndex={props.takesFocus ? -1 : undefined}
      hidden={props.isHidden}
      onFocus={() => props.onFocus(id)}
      onPointerDown={() => props.onFocus(id)}
    >
      <header className={classes.cardHead}>
        {props.head}
        {props.isBase && <span className={classes.baseMark}>{t("ranking.isBase")}</span>}
        <button
          type="button"
          className={classes.fold}
          aria-label={fold}
          title={fold}
          aria-expanded={!isFolded}
          onClick={() => props.onFold(id)}
        >
          {isFolded ? <ChevronDown size={18} /> : <ChevronUp size={18} />}
        </button>
      </header>
      <div
        className={classes.body}
        data-folded={isFolded || undefined}
        data-scrolls={props.scrolls || undefined}
        // A long text is scrolled by keyboard too.
        tabIndex={props.scrolls ? 0 : undefined}
      >
        <CompletionText text={props.text} isRaw={props.isRaw} language={props.language} base={props.base} />
      </div>
      {props.children}
    </article>
  );
}
