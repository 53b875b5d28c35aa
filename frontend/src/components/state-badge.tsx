import {
  Ban,
  Check,
  CircleDashed,
  CircleHelp,
  LoaderCircle,
  type LucideIcon,
  Minus,
  Pause,
  X,
} from "lucide-react";
import { useTranslation } from "react-i18next";
import classes from "./state-badge.module.css";

const LOOKS = {
  queued: { icon: CircleDashed, meaning: "quiet" },
  waiting: { icon: CircleDashed, meaning: "quiet" },
  writing: { icon: LoaderCircle, meaning: "accent" },
  running: { icon: LoaderCircle, meaning: "accent" },
  starting: { icon: LoaderCircle, meaning: "accent" },
  succeeded: { icon: Check, meaning: "success" },
  ready: { icon: Check, meaning: "success" },
  done: { icon: Check, meaning: "success" },
  open: { icon: Check, meaning: "success" },
  failed: { icon: X, meaning: "danger" },
  unreachable: { icon: X, meaning: "danger" },
  lost: { icon: CircleHelp, meaning: "caution" },
  paused: { icon: Pause, meaning: "caution" },
  cancelled: { icon: Ban, meaning: "quiet" },
  closed: { icon: Ban, meaning: "quiet" },
  not_reached: { icon: CircleDashed, meaning: "quiet" },
  skipped: { icon: Minus, meaning: "quiet" },
  stopping: { icon: Minus, meaning: "quiet" },
  off: { icon: Minus, meaning: "quiet" },
} satisfies Record<string, { icon: LucideIcon; meaning: string }>;

export type StateName = keyof typeof LOOKS;

/** A state as a shape, a colour and a word. */
export function StateBadge({ state }: { state: StateName }) {
  const { t } = useTranslation();
  const { icon: Icon, meaning } = LOOKS[state];
  return (
    <span className={classes.state} data-meaning={meaning}>
      <Icon size={15} aria-hidden="true" />
      {t(`state.${state}`)}
    </span>
  );
}
