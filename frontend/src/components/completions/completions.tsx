import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Prompt } from "@/components/prompt";
import type { Assignment } from "@/lib/api/types";
import classes from "./completions.module.css";
import { type Look, lookOf, type Text } from "./look";
import { useScrollTogether, type View } from "./use-view";
import { ViewBar } from "./view-bar";

interface CompletionsProps {
  assignment: Assignment;
  texts: readonly Text[];
  view: View;
  /** The one in hand, which may be none of these. */
  current: number;
  letterOf: (id: number) => string;
  goTo: (id: number) => void;
  /** Each in its card. */
  card: (text: Text, look: Look) => ReactNode;
  /** Stands among the ways to look at them. */
  beside?: ReactNode;
  /** Below them. */
  children?: ReactNode;
}

/** What was asked, the completions one below or beside the other, and how they are looked at. */
export function Completions(props: CompletionsProps) {
  const { assignment, texts, view, current, letterOf, goTo } = props;
  const { t } = useTranslation();
  const { prompt, campaign } = assignment;
  const scrollTogether = useScrollTogether(view.scrollsTogether);
  const ids = texts.map(({ id }) => id);
  return (
    <div className={classes.texts}>
      <Prompt
        messages={prompt.messages}
        brief={prompt.brief}
        language={prompt.language || campaign.language}
      />
      <div className={classes.head}>
        <h2>{t("ranking.completions", { count: ids.length })}</h2>
        {view.isFocused && (
          <nav className={classes.letters} aria-label={t("ranking.view.focus")}>
            {ids.map((id) => (
              <button
                key={id}
                type="button"
                aria-current={id === current ? "true" : undefined}
                onClick={() => goTo(id)}
              >
                {letterOf(id)}
              </button>
            ))}
          </nav>
        )}
        <ViewBar view={view} ids={ids} current={ids.includes(current) ? current : ids[0]} letterOf={letterOf}>
          {props.beside}
        </ViewBar>
      </div>
      <div className={classes.cards} onScrollCapture={scrollTogether}>
        {texts.map((text) => props.card(text, lookOf(view, texts, current, text)))}
      </div>
      {props.children}
    </div>
  );
}
