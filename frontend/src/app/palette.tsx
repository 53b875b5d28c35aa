import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { Dialog } from "@/components/dialog";
import { isMac, shown } from "@/lib/keyboard/keys";
import { ownKey } from "@/lib/keyboard/own-keys";
import classes from "./palette.module.css";
import { type PageName, useMatching } from "./palette-search";
import type { Found } from "./palette-things";

// Ours, and not Mantine's Spotlight: that brings its Modal and ScrollArea, 17 KB instead of 1 KB, into what everybody
// loads before the first unit (docs/dependencies.md).

/** So many are listed; for the others more of the name is asked. */
const MOST = 60;

interface PaletteProps {
  pages: PageName[];
  onClose: () => void;
}

/** Everything that can be done or opened from here, found by a part of its name. */
export function Palette({ pages, onClose }: PaletteProps) {
  const { t } = useTranslation();
  const [asked, setAsked] = useState("");
  const matching = useMatching(asked, pages);
  const [chosen, setChosen] = useState(0);
  const id = useId();
  const found = matching.slice(0, MOST);
  const current = Math.min(chosen, found.length - 1);

  function run(entry: Found | undefined) {
    if (!entry) return;
    onClose();
    // When the dialog has given the focus back.
    setTimeout(entry.run, 0);
  }

  function onKeyDown(event: React.KeyboardEvent) {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step && found.length > 0) {
      event.preventDefault();
      const next = (current + step + found.length) % found.length;
      setChosen(next);
      document.getElementById(`${id}-${next}`)?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" && !event.nativeEvent.isComposing) {
      event.preventDefault();
      run(found[current]);
    }
  }

  return (
    <Dialog title={t("palette.title")} onClose={onClose}>
      <input
        className={classes.field}
        role="combobox"
        aria-label={t("palette.ask")}
        aria-expanded="true"
        aria-controls={id}
        aria-activedescendant={found.length > 0 ? `${id}-${current}` : undefined}
        placeholder={t("palette.ask")}
        value={asked}
        onChange={(event) => {
          setAsked(event.currentTarget.value);
          setChosen(0);
        }}
        onKeyDown={onKeyDown}
        data-autofocus
      />
      <div id={id} role="listbox" className={classes.list} aria-label={t("palette.title")} tabIndex={-1}>
        {found.map((entry, index) => (
          <Entry
            key={entry.key}
            id={`${id}-${index}`}
            entry={entry}
            isSelected={index === current}
            onClick={() => run(entry)}
          />
        ))}
      </div>
      {matching.length > MOST && (
        <p className={classes.none}>{t("palette.more", { number: matching.length - MOST })}</p>
      )}
      {found.length === 0 && <p className={classes.none}>{t("palette.none")}</p>}
    </Dialog>
  );
}

interface EntryProps {
  id: string;
  entry: Found;
  isSelected: boolean;
  onClick: () => void;
}

function Entry({ id, entry, isSelected, onClick }: EntryProps) {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the keyboard
    <div
      id={id}
      role="option"
      tabIndex={-1}
      aria-selected={isSelected}
      className={classes.entry}
      onClick={onClick}
    >
      <span className={classes.name}>
        <bdi>{entry.name}</bdi>
      </span>
      <span className={classes.about}>{entry.about}</span>
      {entry.keys && (
        <span className={classes.keys}>
          {shown(ownKey(entry.keys), isMac).map((part) => (
            <kbd key={part}>{part}</kbd>
          ))}
        </span>
      )}
    </div>
  );
}
