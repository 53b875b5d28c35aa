import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Empty, ProblemNote, Waiting } from "@/components/notes";
import { keys } from "@/lib/keys";
import { readLog } from "./api";
import classes from "./runs.module.css";

/** The end of the log; it follows what is written unless the reader has scrolled up. */
export function RunLog({ runId, isLive }: { runId: number; isLive: boolean }) {
  const { t } = useTranslation();
  const log = useQuery({
    queryKey: keys.log(runId),
    queryFn: () => readLog(runId),
    refetchInterval: isLive ? 2000 : false,
  });
  const box = useRef<HTMLPreElement>(null);
  const follows = useRef(true);
  const text = log.data?.text;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a longer text is what is followed
  useEffect(() => {
    if (box.current && follows.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);

  if (log.isPending) return <Waiting lines={5} />;
  if (log.error) return <ProblemNote error={log.error} retry={() => void log.refetch()} />;
  if (!text) return <Empty title={t("runs.noLog")} />;
  return (
    <pre
      ref={box}
      className={classes.log}
      dir="ltr"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a long log is scrolled by keyboard
      tabIndex={0}
      onScroll={(event) => {
        const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
        follows.current = scrollHeight - scrollTop - clientHeight < 24;
      }}
    >
      {text}
    </pre>
  );
}
