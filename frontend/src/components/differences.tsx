import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { differences } from "@/lib/differences";
import classes from "./differences.module.css";

interface DifferencesProps {
  before: string;
  after: string;
  language?: string;
  hasLegend?: boolean;
}

/** A text as written, with the words that another has not, and in their places those that only the other has. */
export function Differences({ before, after, language, hasLegend }: DifferencesProps) {
  const { t } = useTranslation();
  const parts = useMemo(() => differences(before, after), [before, after]);
  return (
    <>
      {!parts && <p className={classes.note}>{t("differences.tooMany")}</p>}
      {parts && hasLegend && (
        <p className={classes.legend}>
          <ins>{t("differences.added")}</ins> <del>{t("differences.removed")}</del>
        </p>
      )}
      <div className={classes.text} dir="auto" lang={language}>
        {(parts ?? [{ value: after, added: false, removed: false }]).map((part, index) => {
          const Tag = part.added ? "ins" : part.removed ? "del" : "span";
          // biome-ignore lint/suspicious/noArrayIndexKey: a part is its place
          return <Tag key={index}>{part.value}</Tag>;
        })}
      </div>
    </>
  );
}
