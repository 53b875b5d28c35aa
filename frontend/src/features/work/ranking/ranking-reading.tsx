import type { Assignment } from "@/lib/api/types";
import type { RankingContent } from "./content";
import { OrderStep } from "./order-step";

const nothing = () => undefined;

/** Another's order of the completions, to be read: what they placed where, rated and flagged. */
export function RankingReading(props: { assignment: Assignment; content: RankingContent }) {
  return (
    <OrderStep
      {...props}
      change={nothing}
      announce={nothing}
      rate={nothing}
      flag={nothing}
      onRateAgain={nothing}
      isReading
    />
  );
}
