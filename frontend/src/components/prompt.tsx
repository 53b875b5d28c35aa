import { ArrowUp } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Dialogue, type DialogueProps } from "./dialogue";
import classes from "./prompt.module.css";

/** What was asked; once it is scrolled away, its last words stay in one line at the top, and lead back to it. */
export function Prompt(props: DialogueProps) {
  const { t } = useTranslation();
  const dialogue = useRef<HTMLDivElement>(null);
  const [isAbove, setAbove] = useState(false);
  useEffect(() => {
    const seen = new IntersectionObserver(([entry]) => {
      if (entry) setAbove(!entry.isIntersecting && entry.boundingClientRect.top < 0);
    });
    if (dialogue.current) seen.observe(dialogue.current);
    return () => seen.disconnect();
  }, []);
  const asked = props.messages.at(-1)?.content ?? props.brief ?? "";
  return (
    <>
      <div ref={dialogue} className={classes.prompt}>
        <Dialogue {...props} />
      </div>
      {isAbove && asked.trim() && (
        <div className={classes.stays}>
          <button
            type="button"
            title={t("dialogue.back")}
            lang={props.language}
            dir="auto"
            onClick={() => dialogue.current?.scrollIntoView({ block: "start" })}
          >
            <span>{asked}</span>
            <ArrowUp size={16} aria-hidden="true" />
          </button>
        </div>
      )}
    </>
  );
}
