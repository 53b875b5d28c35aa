import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { send, sendAs } from "./client";

let sent: Request[] = [];

beforeEach(() => {
  sent = [];
  vi.stubGlobal("document", { cookie: "csrftoken=c", documentElement: { lang: "fr" } });
  vi.stubGlobal("fetch", (request: Request) => {
    sent.push(request);
    return Promise.resolve(new Response("{}"));
  });
});
afterEach(() => void vi.unstubAllGlobals());

test("whatever a page sends names whose page it is, but for signing in, which makes it somebody's", async () => {
  sendAs(7);
  for (const path of ["/api/assignments/1/draft", "/api/session", "/api/me"]) {
    await send(new Request(`http://parley${path}`, { method: "POST" }));
  }
  expect(sent.map((request) => request.headers.get("X-Parley-Login"))).toEqual(["7", null, null]);
});
