import { expect, test } from "vitest";
import { rebased } from "./form-fields";

const base = { name: "Birds", status: "open", flags: ["untrue"] };

test("what was written stands upon what somebody else saved meanwhile", () => {
  const written = { ...base, name: "Sea birds" };
  const saved = { ...base, status: "closed" };
  expect(rebased(written, base, saved)).toEqual({
    fields: { name: "Sea birds", status: "closed", flags: ["untrue"] },
    contested: [],
  });
});

test("a field that both changed is mine, and said to be contested", () => {
  const { fields, contested } = rebased({ ...base, name: "Sea birds" }, base, { ...base, name: "Owls" });
  expect(fields.name).toBe("Sea birds");
  expect(contested).toEqual(["name"]);
});

test("both having said the same is no contest", () => {
  expect(rebased({ ...base, name: "Owls" }, base, { ...base, name: "Owls" }).contested).toEqual([]);
});

test("a field that is new since then has its saved value, one that is gone is left out", () => {
  const old = { name: "Sea birds", colour: "red" } as unknown as typeof base;
  expect(rebased(old, { ...old, name: "Birds" }, base).fields).toEqual({ ...base, name: "Sea birds" });
});
