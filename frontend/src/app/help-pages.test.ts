import { expect, test } from "vitest";
import { pageOf } from "./help-pages";

test("each page has its own help, whatever it shows", () => {
  expect(pageOf("/")).toBe("home");
  expect(pageOf("/campaigns/new")).toBe("newCampaign");
  expect(pageOf("/campaigns/12")).toBe("progress");
  expect(pageOf("/campaigns/12/members")).toBe("members");
  expect(pageOf("/campaigns/12/nonsense")).toBe("progress");
  expect(pageOf("/runs/7")).toBe("run");
});

test("work explains itself by its kind", () => {
  expect(pageOf("/annotate/3")).toBeNull();
  expect(pageOf("/practice/ranking")).toBeNull();
});
