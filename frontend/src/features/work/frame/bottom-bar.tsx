import { Button } from "@mantine/core";
import { BookOpen, CircleAlert, CloudCheck, CloudOff, CloudUpload, Flag } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { KeyHint } from "@/components/key-hint";
import type { SaveState } from "@/lib/drafts/saver";
import { ariaKey } from "@/lib/keyboard/own-keys";
import classes from "./bottom-bar.module.css";

interface BottomBarProps {
  /** A unit to be done, one's own to be corrected, or one to be looked at only. */
  work: "unit" | "correction" | "over";
  saveState: SaveState;
  /** Handed in, and nothing has taken its place yet. */
  isSent: boolean;
  /** How many units wait for the server to be back. */
  numToSend: number;
  missing: string;
  isGuidelinesOpen: boolean;
  onGuidelines: () => void;
  onSkip: () => void;
  onRemark: () => void;
  /** The next submit answers the question that stands above the bar. */
  isAsking: boolean;
  onSubmit: () => void;
}

const SAVE_ICONS = {
  saved: CloudCheck,
  saving: CloudUpload,
  device: CloudOff,
  nowhere: CircleAlert,
  conflict: CircleAlert,
};

/** Always in the same place: skip, guidelines, what is saved, submit. */
export function BottomBar(props: BottomBarProps) {
  const { t } = useTranslation();
  const { saveState, isSent, numToSend } = props;
  // Trouble with the words on this page comes first; then those that are still to be sent.
  const isWaiting = numToSend > 0 && (isSent || saveState === "saved" || saveState === "saving");
  const Icon = isWaiting ? CloudOff : SAVE_ICONS[saveState];
  const words = isWaiting ? t("work.waiting", { count: numToSend }) : t(`save.${saveState}`);
  return (
    <footer className={classes.bar}>
      {props.work === "unit" && (
        <Button variant="default" onClick={props.onSkip} aria-keyshortcuts={ariaKey("s")} disabled={isSent}>
          {t("work.skip")}
          <KeyHint keys="s" />
        </Button>
      )}
      <Button
        variant="subtle"
        color="gray"
        className={classes.guidelines}
        onClick={props.onGuidelines}
        aria-keyshortcuts={ariaKey("q")}
        aria-expanded={props.isGuidelinesOpen}
        aria-label={t("guidelines.title")}
      >
        <BookOpen size={18} aria-hidden="true" />
        <span className={classes.wide}>{t("guidelines.title")}</span>
        <KeyHint keys="q" />
      </Button>
      <Button
        variant="subtle"
        color="gray"
        className={classes.remark}
        onClick={props.onRemark}
        aria-keyshortcuts={ariaKey("r")}
        aria-label={t("remark.title")}
      >
        <Flag size={18} aria-hidden="true" />
        <span className={classes.wide}>{t("remark.button")}</span>
        <KeyHint keys="r" />
      </Button>
      <p className={classes.state} data-state={isWaiting ? "device" : saveState}>
        {props.missing && (
          <span role="alert" className={classes.missing}>
            {props.missing}
          </span>
        )}
        <Icon size={18} aria-hidden="true" />
        <span
          role="status"
          data-testid="save-state"
          data-beside={(saveState === "saved" && !!props.missing) || undefined}
        >
          {words}
        </span>
      </p>
      {props.work === "over" ? (
        <Button component={Link} to="/">
          {t("work.home")}
        </Button>
      ) : (
        <Button
          // The second click of a double one does not answer the question that the first has raised.
          onClick={(event) => event.detail > 1 || props.onSubmit()}
          loading={isSent && !isWaiting}
          disabled={isSent}
          aria-keyshortcuts="Control+Enter Meta+Enter"
        >
          {props.isAsking
            ? t("work.allTheSame")
            : t(props.work === "correction" ? "correction.submit" : "work.submit")}
          <KeyHint keys="mod+Enter" />
        </Button>
      )}
    </footer>
  );
}
