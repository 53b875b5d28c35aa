import { useFormat } from "@/lib/format";
import classes from "./figures.module.css";

/** A share of a whole as a bar; the numbers stand in words beside it. */
export function ShareBar({ share, label }: { share: number; label: string }) {
  return (
    <div className={classes.track} role="img" aria-label={label} title={label}>
      <div style={{ width: `${Math.max(0, Math.min(1, share)) * 100}%` }} />
    </div>
  );
}

export interface Figure {
  label: string;
  value: string;
  note?: string;
}

/** A few numbers that belong together, each with its name. */
export function Figures({ figures }: { figures: Figure[] }) {
  return (
    <dl className={classes.figures}>
      {figures.map(({ label, value, note }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            {value}
            {note && <small>{note}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

interface IntervalProps {
  low: number;
  high: number;
  value: number;
  /** Where the gate or the even chance lies. */
  threshold: number;
  label: string;
}

/** An interval between 0 and 1 with its middle and the line it must clear. */
export function Interval({ low, high, value, threshold, label }: IntervalProps) {
  const format = useFormat();
  const at = (share: number) => `${share * 100}%`;
  return (
    <div className={classes.interval}>
      <div className={classes.axis} role="img" aria-label={label} title={label}>
        <span className={classes.range} style={{ left: at(low), width: at(high - low) }} />
        <span className={classes.point} style={{ left: at(value) }} />
        <span className={classes.threshold} style={{ left: at(threshold) }} />
      </div>
      <div className={classes.ticks} aria-hidden="true">
        {[0, 0.25, 0.5, 0.75, 1].map((tick) => (
          <span key={tick} style={{ left: at(tick) }}>
            {format.percent(tick)}
          </span>
        ))}
      </div>
    </div>
  );
}
