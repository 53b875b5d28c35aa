import type { Kind, Kinds } from "@/lib/kinds";

/** A review shows the work in the page of its own kind, whichever that is. */
async function load(kinds: Kinds) {
  const shown = Object.entries(kinds).filter(([, kind]) => kind.does !== "reviews");
  const { makeWork } = await import("./work");
  const works = await Promise.all(shown.map(async ([name, kind]) => [name, await kind.load(kinds)] as const));
  return makeWork(Object.fromEntries(works));
}

export const review: Kind = {
  does: "reviews",
  load,
  settings: ["reviewed"],
  completions: [1, 9],
  counts: ["num_reviews"],
};
