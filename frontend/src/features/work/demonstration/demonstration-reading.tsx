import { Dialogue } from "@/components/dialogue";
import type { WorkProps } from "@/lib/work";
import { type DemonstrationContent, openingOf } from "./content";
import classes from "./demonstration.module.css";

/** A written dialogue as it will be read, from its first message to its last. */
export function DemonstrationReading({
  assignment,
  content,
}: Pick<WorkProps<DemonstrationContent>, "assignment" | "content">) {
  const { campaign, prompt } = assignment;
  const written = content.turns.map(({ role, content: text }) => ({ role, content: text }));
  return (
    <div className={classes.page} data-measure>
      <Dialogue
        messages={[...openingOf(assignment, content), ...written]}
        brief={prompt.brief}
        language={prompt.language || campaign.language}
      />
    </div>
  );
}
