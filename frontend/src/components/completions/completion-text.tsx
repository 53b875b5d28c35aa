import { lazy, memo, Suspense } from "react";
import { useTranslation } from "react-i18next";
import { Markdown } from "@/components/markdown/markdown";
import classes from "./completions.module.css";

const Differences = lazy(() => import("@/components/differences").then((m) => ({ default: m.Differences })));

interface CompletionTextProps {
  text: string;
  isRaw: boolean;
  language: string;
  /** Shown with what it has and lacks beside this one. */
  base?: string | null;
}

/** Laid out once, however often what surrounds it changes. */
export const CompletionText = memo(function CompletionText(props: CompletionTextProps) {
  const { text, isRaw, language, base = null } = props;
  const { t } = useTranslation();
  const plain = <Markdown text={text} isRaw={isRaw} language={language} />;
  if (base !== null) {
    return (
      <Suspense fallback={plain}>
        <Differences before={base} after={text} language={language} />
      </Suspense>
    );
  }
  return text.trim() ? plain : <p className={classes.nothing}>{t("ranking.emptyText")}</p>;
});
