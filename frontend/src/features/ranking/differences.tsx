import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { differences } from "@/lib/differences";
import classes from "./ranking.module.css";

interface DifferencesProps {
  before: string;
  after: string;
  language: string;
}

/** A text as written, with the words that another has not, and in their places those that only the other has. */
export function Differences({ before, after, language }: DifferencesProps) {
  const { t } = useTranslation();
  const parts = useMemo(() => differences(before, after), [before, after]);
  return (
    <>
      {!parts && <p className={classes.quietNote}>{t("ranking.tooDifferent")}</p>}
      <div className={classes.differences} dir="auto" lang={language}>
        {(parts ?? [{ value: after, added: false, removed: false }]).map((part, index) => {
          const Tag = part.added ? "ins" : part.removed ? "del" : "span";
          // biome-ignore lint/suspicious/noArrayIndexKey: a part is its place
          return <Tag key={index}>{part.value}</Tag>;
        })}
      </div>
    </>
  );
}
