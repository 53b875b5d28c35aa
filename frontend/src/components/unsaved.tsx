import { Button, Group } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { dropForm, formOnDevice, keepForm } from "@/lib/drafts/device-store";
import { rebased } from "@/lib/drafts/form-fields";
import { sameContent } from "@/lib/drafts/reconcile";
import { useFormat } from "@/lib/format";
import { useMe } from "@/lib/me";
import { Note } from "./notes";
import classes from "./unsaved.module.css";

export interface UnsavedForm<Fields extends object> {
  fields: Fields;
  change: (changed: Partial<Fields>) => void;
  /** Something stands here that is not saved. */
  isChanged: boolean;
  /** After saving what was sent: `saved` is what the server made of it. */
  settle: (sent: Fields, saved: Fields) => void;
  /** Throws away what is not saved. */
  discard: () => void;
  /** Takes back what was thrown away; absent where nothing was. */
  bringBack: (() => void) | undefined;
  /** When the words were written that were found on this device. */
  foundAt: string | null;
  /** Fields in which somebody else has saved something other meanwhile. */
  contested: (keyof Fields)[];
  isOnDevice: boolean;
}

interface Standing<Fields extends object> {
  fields: Fields;
  /** What is saved, as far as this form knows: its own save counts before the page has it. */
  base: Fields;
  /** What the page last said is saved. */
  seen: Fields;
  contested: (keyof Fields)[];
  foundAt: string | null;
  thrown: Fields | null;
  isOnDevice: boolean;
}

/**
 * A form whose fields are kept on this device with every letter until they are saved: they survive another tab,
 * another page, a reload, a closed browser. `place` names the form, `saved` is what the server has.
 */
export function useUnsavedForm<Fields extends object>(place: string, saved: Fields): UnsavedForm<Fields> {
  const me = useMe();
  const [standing, setStanding] = useState<Standing<Fields>>(() => {
    const kept = formOnDevice<Fields>(me.id, place);
    const { fields, contested } = kept
      ? rebased(kept.fields, kept.base, saved)
      : { fields: saved, contested: [] };
    const foundAt = kept && !sameContent(fields, saved) ? kept.changedAt : null;
    return { fields, contested, foundAt, base: saved, seen: saved, thrown: null, isOnDevice: true };
  });
  let { fields, base, contested } = standing;
  if (!sameContent(standing.seen, saved)) {
    // Where it is not what this form has just saved, somebody else has while it is open.
    if (!sameContent(base, saved)) ({ fields, contested } = rebased(fields, base, saved));
    base = saved;
    setStanding({ ...standing, fields, base, contested, seen: saved });
  }
  const isChanged = !sameContent(fields, base);

  function put(next: Fields, more: Partial<Standing<Fields>> = {}) {
    let isOnDevice = true;
    if (sameContent(next, base)) dropForm(me.id, place);
    else isOnDevice = keepForm(me.id, place, { fields: next, base, changedAt: new Date().toISOString() });
    setStanding({
      ...standing,
      contested,
      base,
      seen: saved,
      fields: next,
      thrown: null,
      isOnDevice,
      ...more,
    });
  }

  function settle(sent: Fields, now: Fields) {
    // What was written while it was on its way is still to be saved.
    setStanding((before) => {
      const { fields: next } = rebased(before.fields, sent, now);
      if (sameContent(next, now)) dropForm(me.id, place);
      else keepForm(me.id, place, { fields: next, base: now, changedAt: new Date().toISOString() });
      return { ...before, fields: next, base: now, contested: [], foundAt: null, thrown: null };
    });
  }

  const isAtRisk = isChanged && !standing.isOnDevice;
  useEffect(() => {
    if (!isAtRisk) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [isAtRisk]);

  const { thrown } = standing;
  return {
    fields,
    change: (changed) => put({ ...fields, ...changed }),
    isChanged,
    settle,
    discard: () => put(base, { thrown: fields, foundAt: null, contested: [] }),
    bringBack: thrown ? () => put(thrown) : undefined,
    foundAt: standing.foundAt,
    contested,
    isOnDevice: standing.isOnDevice,
  };
}

/** Whether this person has words on this device that a form has not saved. */
export function useHasUnsaved(): (place: string) => boolean {
  const me = useMe();
  return (place) => formOnDevice(me.id, place) !== null;
}

/** Says what is not saved and where it is kept, and throws it away on purpose only. */
export function UnsavedLine<Fields extends object>({ form }: { form: UnsavedForm<Fields> }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { isChanged, foundAt, contested, isOnDevice, discard, bringBack } = form;
  return (
    <>
      {isChanged && contested.length > 0 && <Note look="caution">{t("unsaved.contested")}</Note>}
      <Group gap="sm" className={classes.line}>
        <p role="status">
          {isChanged && !isOnDevice && t("unsaved.nowhere")}
          {isChanged &&
            isOnDevice &&
            (foundAt ? t("unsaved.found", { when: format.ago(foundAt) }) : t("unsaved.kept"))}
          {!isChanged && bringBack && t("unsaved.thrown")}
        </p>
        {isChanged && (
          <Button size="compact-sm" variant="default" onClick={discard}>
            {t("unsaved.discard")}
          </Button>
        )}
        {!isChanged && bringBack && (
          <Button size="compact-sm" variant="default" onClick={bringBack}>
            {t("common.undo")}
          </Button>
        )}
      </Group>
    </>
  );
}
