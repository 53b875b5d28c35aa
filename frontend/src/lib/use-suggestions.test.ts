import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { beforeEach, expect, test, vi } from "vitest";
import { Problem } from "@/lib/api/problem";
import type { Assignment } from "@/lib/api/types";
import { useSuggestions } from "./use-suggestions";

const post = vi.hoisted(() => vi.fn());
vi.mock("@/lib/api/client", () => ({
  api: { POST: post },
  bodyOf: async (answer: Promise<{ data: unknown }>) => (await answer).data,
}));

const TOO_MANY = new Problem(429, {});
const begun = () => ({ data: new Response('event: start\ndata: {"id":7,"turn":1}\n\n').body });

beforeEach(() => {
  vi.useFakeTimers();
  post.mockReset();
});

function suggestions(onOffered: (turn: string, id: number) => void) {
  let held: ReturnType<typeof useSuggestions> | undefined;
  function Page() {
    held = useSuggestions({ id: 1, suggestions: [] } as unknown as Assignment, () => undefined, onOffered);
    return null;
  }
  renderToString(createElement(Page));
  if (!held) throw new Error("the page was not rendered");
  return held;
}

test("what is refused while the one before ends is asked for once more, a second later", async () => {
  post.mockRejectedValueOnce(TOO_MANY).mockResolvedValueOnce(begun());
  const onOffered = vi.fn();
  const asked = suggestions(onOffered).ask("a", 1, []);
  await vi.advanceTimersByTimeAsync(900);
  expect(post).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(200);
  await asked;
  expect(onOffered).toHaveBeenCalledWith("a", 7);
});

test("what is refused again, or for another reason, is asked for no more", async () => {
  for (const [refusal, times] of [
    [TOO_MANY, 2],
    [new Problem(409, {}), 1],
  ] as const) {
    post.mockReset().mockRejectedValue(refusal);
    const asked = suggestions(() => undefined).ask("a", 1, []);
    await vi.advanceTimersByTimeAsync(5000);
    await asked;
    expect(post).toHaveBeenCalledTimes(times);
  }
});
