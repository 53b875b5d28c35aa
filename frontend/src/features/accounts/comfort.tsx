import { SegmentedControl, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type KeyboardEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { ProblemNote } from "@/components/notes";
import type { Me } from "@/lib/api/types";
import { isMac, shown } from "@/lib/keyboard/keys";
import { readOwnKeys, SINGLE_KEYS, withOwnKey } from "@/lib/keyboard/own-keys";
import { meQuery, useMe } from "@/lib/me";
import { changeMe } from "./api";
import classes from "./comfort.module.css";

const SIZES = ["small", "normal", "large", "larger"] as const;
type Size = (typeof SIZES)[number];

/** How the pages look and answer to me, on whatever device: the size of what is read, and my own keys. */
export function Comfort() {
  const { t } = useTranslation();
  const me = useMe();
  const queryClient = useQueryClient();
  const { text_size: size = "normal" } = me.preferences;
  const keys = readOwnKeys(me.preferences.keys ?? {});
  const saving = useMutation({
    mutationFn: (preferences: { text_size: Size; keys: Record<string, string> }) => changeMe({ preferences }),
    // Shown at once; what the server holds comes back if it refuses.
    onMutate: (preferences) => {
      const changed: Me = { ...me, preferences: { ...me.preferences, ...preferences } };
      queryClient.setQueryData(meQuery.queryKey, changed);
    },
    onSuccess: (changed) => queryClient.setQueryData(meQuery.queryKey, changed),
    onError: () => queryClient.invalidateQueries({ queryKey: meQuery.queryKey }),
  });
  return (
    <>
      <section>
        <Title order={2} mb="sm">
          {t("comfort.size")}
        </Title>
        <SegmentedControl
          aria-label={t("comfort.size")}
          value={size}
          onChange={(value) => saving.mutate({ text_size: value as Size, keys })}
          data={SIZES.map((value) => ({ value, label: t(`comfort.sizes.${value}`) }))}
        />
        <p className={classes.sample}>{t("comfort.sample")}</p>
      </section>
      <section>
        <Title order={2} mb="xs">
          {t("comfort.keys")}
        </Title>
        <p className={classes.hint}>{t("comfort.keysHint")}</p>
        <ProblemNote error={saving.error} />
        <Keys keys={keys} onChange={(next) => saving.mutate({ text_size: size, keys: next })} />
      </section>
    </>
  );
}

interface KeysProps {
  keys: Record<string, string>;
  onChange: (keys: Record<string, string>) => void;
}

function Keys({ keys, onChange }: KeysProps) {
  const { t } = useTranslation();
  const [waitsFor, setWaitsFor] = useState("");
  const [refused, setRefused] = useState("");

  function press(event: KeyboardEvent, ours: string) {
    if (waitsFor !== ours || event.key === "Tab") return;
    event.preventDefault();
    if (event.key === "Shift") return;
    if (event.key !== "Escape") {
      const isSingle = !event.ctrlKey && !event.metaKey && !event.altKey;
      const next = isSingle ? withOwnKey(keys, ours, event.key) : null;
      if (!next) {
        setRefused(t("comfort.taken", { key: event.key }));
        return;
      }
      onChange(next);
    }
    setWaitsFor("");
    setRefused("");
  }

  return (
    <>
      <p role="status" className={classes.refused}>
        {refused}
      </p>
      <ul className={classes.keys}>
        {SINGLE_KEYS.map(({ key, label }) => {
          const own = keys[key] ?? key;
          const isWaiting = waitsFor === key;
          return (
            <li key={key}>
              <span>{t(label)}</span>
              <button
                type="button"
                data-own={own !== key || undefined}
                aria-label={
                  isWaiting
                    ? t("comfort.pressOne")
                    : t("comfort.change", { what: t(label), key: own.toUpperCase() })
                }
                onClick={() => setWaitsFor(isWaiting ? "" : key)}
                onKeyDown={(event) => press(event, key)}
                onBlur={() => setWaitsFor("")}
              >
                {isWaiting ? t("comfort.pressOne") : shown(own, isMac).join(" ")}
              </button>
            </li>
          );
        })}
      </ul>
      {Object.keys(keys).length > 0 && (
        <button type="button" className={classes.reset} onClick={() => onChange({})}>
          {t("comfort.reset")}
        </button>
      )}
    </>
  );
}
