import { describe, expect, test } from "vitest";
import { entriesOf, isNew } from "./checklist-entries";

const bare = { policies: [], guidelines: null, num_members: 0 };
const empty = { num_prompts: 0, num_units: 0 };
const policy = { policy_version: { id: 1, name: "base" }, weight: 1 };
const judges = { does: "judges" as const, settings: [] };
const writes = { does: "writes" as const, settings: [] };
const chats = { does: "writes" as const, settings: ["answers" as const] };
const reviews = { does: "reviews" as const, settings: [] };

const missing = (...given: Parameters<typeof entriesOf>) =>
  entriesOf(...given)
    .filter(({ isDone, isNeeded }) => isNeeded && !isDone)
    .map(({ what }) => what);

describe("what a new campaign still needs", () => {
  test("depends on its kind", () => {
    expect(missing(bare, judges, empty, "")).toEqual(["prompts", "completions", "guidelines", "members"]);
    expect(missing(bare, writes, empty, "")).toEqual(["prompts", "guidelines", "members"]);
    expect(missing(bare, chats, empty, "")).toEqual(["prompts", "answers", "guidelines", "members"]);
    expect(missing(bare, reviews, empty, "")).toEqual(["guidelines", "members"]);
  });

  test("is done when it is there", () => {
    const ready = { policies: [], guidelines: { version: 1, text: "Be kind." }, num_members: 2 };
    expect(missing(ready, writes, { num_prompts: 3, num_units: 3 }, "")).toEqual([]);
    expect(missing(ready, judges, { num_prompts: 3, num_units: 0 }, "")).toEqual(["completions"]);
  });

  test("completions come from an import or from a policy", () => {
    const { policies: _none, ...others } = bare;
    const what = { num_prompts: 3, num_units: 0 };
    expect(missing({ ...others, policies: [policy] }, judges, what, "")).not.toContain("completions");
    expect(missing(bare, judges, { num_prompts: 3, num_units: 3 }, "")).not.toContain("completions");
  });

  test("guidelines without a word are none", () => {
    expect(missing({ ...bare, guidelines: { version: 1, text: " " } }, reviews, empty, "")).toContain(
      "guidelines",
    );
  });
});

test("a campaign is new until it is opened", () => {
  const progress = { num_units: 3, num_done: 0, num_open: 3, num_leased: 0 };
  expect(isNew({ status: "paused", progress })).toBe(true);
  expect(isNew({ status: "open", progress })).toBe(false);
  expect(isNew({ status: "paused", progress: { ...progress, num_done: 1 } })).toBe(false);
});
