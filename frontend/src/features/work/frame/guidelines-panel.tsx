import { ActionIcon } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { PanelRightClose } from "lucide-react";
import { useCallback, useState } from "react";
import { useTranslation } from "react-i18next";
import { Dialog } from "@/components/dialog";
import { Markdown } from "@/components/markdown/markdown";
import type { Assignment } from "@/lib/api/types";
import classes from "./guidelines-panel.module.css";

const STORED = "parley.guidelines";

/** Whether the guidelines are open: beside the work where there is room (remembered), over it where there is not. */
export function useGuidelinesPanel() {
  const isBeside = useMediaQuery("(min-width: 75em)", true, { getInitialValueInEffect: false }) ?? true;
  const [isUnfolded, setUnfolded] = useState(() => localStorage.getItem(STORED) !== "folded");
  const [isDrawerOpen, setDrawerOpen] = useState(false);
  const isOpen = isBeside ? isUnfolded : isDrawerOpen;

  const toggle = useCallback(() => {
    if (!isBeside) {
      setDrawerOpen((open) => !open);
      return;
    }
    localStorage.setItem(STORED, isUnfolded ? "folded" : "open");
    setUnfolded(!isUnfolded);
  }, [isBeside, isUnfolded]);

  return { isBeside, isOpen, toggle };
}

type Ruled = Pick<Assignment["campaign"], "name" | "guidelines">;

interface GuidelinesPanelProps {
  campaign: Ruled;
  /** Whose work is reviewed: its guidelines say what is good, and stand first. */
  reviewed?: Ruled;
  panel: ReturnType<typeof useGuidelinesPanel>;
}

export function GuidelinesPanel({ campaign, reviewed, panel }: GuidelinesPanelProps) {
  const { t } = useTranslation();
  const text = (
    <>
      {reviewed && <Text of={reviewed} title={t("guidelines.ofReviewed", { name: reviewed.name })} />}
      {(!reviewed || campaign.guidelines) && (
        <Text of={campaign} title={reviewed ? t("guidelines.ofReviews") : ""} />
      )}
    </>
  );
  if (!panel.isOpen) return null;
  if (!panel.isBeside) {
    return (
      <Dialog title={t("guidelines.title")} place="beside" onClose={panel.toggle}>
        {text}
      </Dialog>
    );
  }
  return (
    <aside className={classes.panel} aria-label={t("guidelines.title")}>
      <div className={classes.head}>
        <h2>{t("guidelines.title")}</h2>
        <ActionIcon variant="subtle" color="gray" aria-label={t("guidelines.fold")} onClick={panel.toggle}>
          <PanelRightClose size={18} className="flip-rtl" />
        </ActionIcon>
      </div>
      {text}
    </aside>
  );
}

function Text({ of: { guidelines }, title }: { of: Ruled; title: string }) {
  const { t } = useTranslation();
  return (
    <section className={classes.text}>
      {title && (
        <h3 className={classes.of} dir="auto">
          {title}
        </h3>
      )}
      {guidelines ? (
        <>
          <Markdown text={guidelines.text} isSmall />
          <p className={classes.version}>{t("guidelines.version", { version: guidelines.version })}</p>
        </>
      ) : (
        <p className={classes.none}>{t("guidelines.none")}</p>
      )}
    </section>
  );
}
