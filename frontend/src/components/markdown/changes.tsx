import { diffArrays } from "diff";
import { useEffect, useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";
import classes from "./changes.module.css";
import { Markdown } from "./markdown";
import { parse } from "./parse";

/** A text in the parts that are read as one: a paragraph, a heading, a table, an entry of a list. */
export function partsOf(text: string): string[] {
  const tokens = parse(text);
  if (!tokens) return [text];
  return tokens.flatMap((token): string[] => {
    if (token.type === "space") return [];
    if (token.type !== "list") return [token.raw.trim()];
    return (token.items as { raw: string }[]).map((item) => item.raw.trimEnd());
  });
}

interface MarkdownChangesProps {
  before: string;
  after: string;
}

/** A Markdown text as it is read, its new parts marked, and in their places those that went; opens at the first. */
export function MarkdownChanges({ before, after }: MarkdownChangesProps) {
  const { t } = useTranslation();
  const changes = useMemo(() => diffArrays(partsOf(before), partsOf(after)), [before, after]);
  const text = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: anew for another text
  useEffect(() => {
    text.current?.querySelector("ins, del")?.scrollIntoView({ block: "center" });
  }, [changes]);
  return (
    <>
      <p className={classes.legend}>
        <ins>{t("differences.added")}</ins> <del>{t("differences.removed")}</del>
      </p>
      <div ref={text} className={classes.text}>
        {changes.map(({ value, added, removed }, index) => {
          const Tag = added ? "ins" : removed ? "del" : "div";
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: a change is its place
            <Tag key={index}>
              <Markdown text={value.join("\n\n")} isSmall />
            </Tag>
          );
        })}
      </div>
    </>
  );
}
