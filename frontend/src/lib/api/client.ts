import createClient from "openapi-fetch";
import { Problem } from "./problem";
import type { paths } from "./schema";
import { sessionEnded } from "./session";

export function cookie(name: string): string {
  const match = document.cookie.match(new RegExp(`(?:^|; )${name}=([^;]*)`));
  return match?.[1] ? decodeURIComponent(match[1]) : "";
}

let sendsAs: number | null = null;

/** From now on the server refuses whatever this page sends while somebody else is signed in in this browser. */
export function sendAs(userId: number): void {
  sendsAs = userId;
}

/** fetch with our cookies, the CSRF header and the page's language; every failure is a Problem. */
export async function send(request: Request): Promise<Response> {
  const headers = new Headers(request.headers);
  headers.set("Accept-Language", document.documentElement.lang || "en");
  if (request.method !== "GET") headers.set("X-CSRFToken", cookie("csrftoken"));
  const { pathname } = new URL(request.url);
  const isOfSession = pathname === "/api/session" || pathname === "/api/me";
  if (sendsAs !== null && !isOfSession) headers.set("X-Parley-Login", String(sendsAs));
  let answer: Response;
  try {
    answer = await fetch(new Request(request, { headers, credentials: "same-origin" }));
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, {});
  }
  if (answer.ok) return answer;
  if (answer.status === 401 && !isOfSession) sessionEnded();
  throw new Problem(answer.status, await answer.json().catch(() => ({})));
}

/** The typed client of the API; types come from the server's OpenAPI schema (`npm run types`). */
export const api = createClient<paths>({ fetch: send });

/** The body of an answer. `send` has already thrown for anything but success. */
export async function bodyOf<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}
