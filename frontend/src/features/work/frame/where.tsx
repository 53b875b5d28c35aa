import type { RefObject } from "react";
import { useTranslation } from "react-i18next";
import type { Assignment } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import classes from "./work-page.module.css";

interface WhereProps {
  assignment: Assignment;
  heading: RefObject<HTMLHeadingElement | null>;
  numDone: number;
  numLeft: number | null;
  minutes: number;
}

/** Which campaign this is, how much of it is done and left, and how long this unit has taken. */
export function Where({ assignment, heading, minutes, ...props }: WhereProps) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <header className={classes.where}>
      <h1 ref={heading} tabIndex={-1}>
        <bdi>{assignment.campaign.name}</bdi>
      </h1>
      <p>{t("work.done", { count: props.numDone })}</p>
      {props.numLeft !== null && <p>{t("home.left", { count: props.numLeft })}</p>}
      {minutes > 0 && (
        <p title={t("work.timeHint")}>{t("work.time", { time: format.lengthOfTime(minutes * 60) })}</p>
      )}
    </header>
  );
}
