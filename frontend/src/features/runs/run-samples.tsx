import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Dialogue } from "@/components/dialogue";
import { useMetricName, useMetricValue } from "@/components/figures/metrics";
import { Markdown } from "@/components/markdown/markdown";
import { Empty, ProblemNote, Waiting } from "@/components/notes";
import type { Message } from "@/lib/api/types";
import { keys } from "@/lib/keys";
import { figuresOf } from "@/lib/metrics";
import { readSamples } from "./api";
import classes from "./runs.module.css";

type Sample = Record<string, unknown>;

/** What the policy writes: the texts of a run, with the numbers recorded beside them. */
export function RunSamples({ runId, isLive }: { runId: number; isLive: boolean }) {
  const { t } = useTranslation();
  const samples = useQuery({
    queryKey: keys.samples(runId),
    queryFn: () => readSamples(runId),
    refetchInterval: isLive ? 5000 : false,
  });
  if (samples.isPending) return <Waiting lines={5} />;
  if (samples.error) return <ProblemNote error={samples.error} retry={() => void samples.refetch()} />;
  if (!samples.data.length) return <Empty title={t("runs.noSamples")}>{t("runs.noSamplesText")}</Empty>;
  return (
    <>
      {[...samples.data].reverse().map((sample, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: samples have no id of their own
        <SampleTexts key={index} sample={sample} />
      ))}
    </>
  );
}

function SampleTexts({ sample }: { sample: Sample }) {
  const nameOf = useMetricName();
  const shownAs = useMetricValue();
  const messages = Array.isArray(sample.prompt) ? (sample.prompt as Message[]) : [];
  const texts = Object.entries(sample).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string" && /text|completion/.test(entry[0]),
  );
  const numbers = figuresOf(sample).filter(({ name }) => !/_id$|^seed$|^index$/.test(name));
  return (
    <article className={classes.sample}>
      {messages.length > 0 && <Dialogue messages={messages} />}
      {typeof sample.prompt === "string" && <Markdown text={sample.prompt} />}
      {texts.map(([name, text]) => (
        <div key={name}>
          <h2>{nameOf(name)}</h2>
          <Markdown text={text} />
        </div>
      ))}
      <p className={classes.quiet}>
        {numbers.map(({ name, value }) => `${nameOf(name)} ${shownAs(name, value)}`).join(" · ")}
      </p>
    </article>
  );
}
