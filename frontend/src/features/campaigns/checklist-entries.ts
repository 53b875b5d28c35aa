import type { CampaignDetail, Progress } from "@/lib/api/types";
import type { Kind } from "@/lib/kinds";

/** Something that a campaign needs before it is opened, or may have; on which tab it is done. */
export interface Entry {
  what: "prompts" | "completions" | "answers" | "suggestions" | "guidelines" | "members" | "terms";
  tab: "material" | "policies" | "guidelines" | "members" | "terms";
  isDone: boolean;
  isNeeded: boolean;
}

/** A campaign that waits to be opened for the first time: nothing was ever done in it. */
export const isNew = ({ status, progress }: Pick<CampaignDetail, "status" | "progress">) =>
  status === "paused" && progress.num_done === 0 && progress.num_leased === 0;

/** What a campaign of this kind needs, in the order in which it is best done. */
export function entriesOf(
  { policies, guidelines, num_members }: Pick<CampaignDetail, "policies" | "guidelines" | "num_members">,
  kind: Pick<Kind, "does" | "settings">,
  { num_prompts, num_units }: Pick<Progress, "num_prompts" | "num_units">,
  terms: string,
): Entry[] {
  const hasPolicy = policies.length > 0;
  const needed = (what: Entry["what"], tab: Entry["tab"], isDone: boolean): Entry => ({
    what,
    tab,
    isDone,
    isNeeded: true,
  });
  const wanted = (...given: Parameters<typeof needed>): Entry => ({ ...needed(...given), isNeeded: false });
  const entries: Entry[] = [];
  if (kind.does !== "reviews") entries.push(needed("prompts", "material", num_prompts > 0));
  // Completions that were imported are there as units; a policy writes the others.
  if (kind.does === "judges") entries.push(needed("completions", "policies", num_units > 0 || hasPolicy));
  else if (kind.settings.includes("answers")) entries.push(needed("answers", "policies", hasPolicy));
  entries.push(needed("guidelines", "guidelines", Boolean(guidelines?.text.trim())));
  entries.push(needed("members", "members", num_members > 0));
  if (kind.does === "writes" && !kind.settings.includes("answers"))
    entries.push(wanted("suggestions", "policies", hasPolicy));
  entries.push(wanted("terms", "terms", terms.trim() !== ""));
  return entries;
}
