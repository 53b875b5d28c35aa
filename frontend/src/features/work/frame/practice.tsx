import { Button } from "@mantine/core";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Dialog } from "@/components/dialog";
import { KeyHint } from "@/components/key-hint";
import { Note } from "@/components/notes";
import { usePageTitle } from "@/components/page";
import type { CampaignKind } from "@/lib/api/types";
import { isTyping } from "@/lib/keyboard/keys";
import { ariaKey } from "@/lib/keyboard/own-keys";
import { useKeys } from "@/lib/keyboard/use-keys";
import { useTopic } from "@/lib/topic";
import { Answering } from "@/lib/use-suggestions";
import type { AnyWorkKind } from "@/lib/work";
import bar from "./bottom-bar.module.css";
import classes from "./practice.module.css";
import { answersOf, practiceUnit } from "./practice-unit";
import { useChecks } from "./use-checks";
import { watchFoot } from "./watch-foot";
import frame from "./work-page.module.css";

const STEPS = ["first", "second", "third"] as const;

interface PracticeProps {
  kind: AnyWorkKind;
  name: CampaignKind;
  /** Where one goes when it is done or skipped, as the words of a button. */
  onward: string;
  onDone: () => void;
}

/** A made-up unit in the page of its kind, with what to do in three steps; nothing leaves the browser. */
export function Practice({ kind, name, onward, onDone }: PracticeProps) {
  useTopic(name);
  const { t, i18n } = useTranslation();
  const example = useMemo(() => kind.practice(t), [kind, t]);
  const unit = useMemo(() => practiceUnit(name, example, i18n.language), [name, example, i18n.language]);
  const answers = useMemo(() => answersOf(example), [example]);
  const [content, setContent] = useState<unknown>(() => kind.read(unit, null));
  const [spoken, setSpoken] = useState("");
  const [isDone, setDone] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  const checks = useChecks(kind, unit, content, setSpoken);
  const submit = () => checks.pass() && setDone(true);
  const change = (next: (before: unknown) => unknown) => setContent(next);
  const part = { assignment: unit, content, change, announce: setSpoken };

  usePageTitle(t("practice.title", { kind: t(`kind.${name}`) }));
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);

  /** Back from the question, or out of a text so that single keys work. */
  function leave() {
    if (checks.isAsking) checks.goBack();
    else if (isTyping(document.activeElement)) (document.activeElement as HTMLElement).blur();
    else return false;
  }

  useKeys(t("practice.keys"), [
    {
      keys: "mod+Enter",
      label: t("work.submit"),
      whileTyping: true,
      run: (event) => event.repeat || submit(),
    },
    { keys: "Escape", label: t("keys.leaveText"), whileTyping: true, run: leave },
    { keys: "s", label: t("practice.skip"), run: onDone },
  ]);

  return (
    <Answering value={answers}>
      <div className={frame.frame} data-practice={name}>
        <div className={frame.work}>
          <Steps name={name} heading={heading} />
          <fieldset className={frame.content}>
            <kind.Page {...part} />
          </fieldset>
        </div>
        <div ref={watchFoot} className={frame.foot}>
          <div className={frame.notes} aria-live="polite">
            {checks.isAsking && (
              <Note look="caution">
                {checks.doubt}{" "}
                <Button size="compact-sm" variant="default" onClick={checks.goBack}>
                  {t("work.goBack")}
                  <KeyHint keys="Escape" />
                </Button>
              </Note>
            )}
          </div>
          {kind.Foot && (
            <fieldset className={frame.content}>
              <kind.Foot {...part} />
            </fieldset>
          )}
          <footer className={bar.bar}>
            <Button variant="default" aria-keyshortcuts={ariaKey("s")} onClick={onDone}>
              {t("practice.skip")}
              <KeyHint keys="s" />
            </Button>
            <p className={bar.state}>
              {checks.missing && (
                <span role="alert" className={bar.missing}>
                  {checks.missing}
                </span>
              )}
            </p>
            <Button
              // The second click of a double one does not answer the question that the first has raised.
              onClick={(event) => event.detail > 1 || submit()}
              aria-keyshortcuts="Control+Enter Meta+Enter"
            >
              {t(checks.isAsking ? "work.allTheSame" : "work.submit")}
              <KeyHint keys="mod+Enter" />
            </Button>
          </footer>
        </div>
        <p className="visually-hidden" role="status" aria-live="polite" data-testid="announcement">
          {spoken}
        </p>
        {isDone && (
          <Told onward={onward} onDone={onDone} onAgain={() => setDone(false)} name={name}>
            {kind.inWords(unit, content, t)}
          </Told>
        )}
      </div>
    </Answering>
  );
}

/** That this is practice, what the work is, and what to do, one after the other. */
function Steps({
  name,
  heading,
}: {
  name: CampaignKind;
  heading: React.RefObject<HTMLHeadingElement | null>;
}) {
  const { t } = useTranslation();
  return (
    <section className={classes.steps} aria-labelledby="practice-title">
      <h1 id="practice-title" ref={heading} tabIndex={-1}>
        {t("practice.title", { kind: t(`kind.${name}`) })}
      </h1>
      <p>
        {t(`help.kinds.${name}`)} {t("practice.what")}
      </p>
      <ol>
        {STEPS.map((step) => (
          <li key={step}>{t(`practice.${name}.${step}`)}</li>
        ))}
      </ol>
    </section>
  );
}

interface ToldProps {
  name: CampaignKind;
  onward: string;
  onDone: () => void;
  onAgain: () => void;
  /** What was made of the unit, in words. */
  children: ReactNode;
}

/** What would have been handed in, and how most people judge this example. */
function Told({ name, onward, onDone, onAgain, children }: ToldProps) {
  const { t } = useTranslation();
  return (
    <Dialog title={t("practice.done")} onClose={onAgain}>
      <p className={classes.told}>{t("practice.yours")}</p>
      <blockquote className={classes.yours} dir="auto">
        {children}
      </blockquote>
      <p className={classes.told}>{t(`practice.${name}.told`)}</p>
      <div className={classes.actions}>
        <Button variant="default" onClick={onAgain}>
          {t("practice.again")}
        </Button>
        <Button onClick={onDone} data-autofocus>
          {onward}
        </Button>
      </div>
    </Dialog>
  );
}
