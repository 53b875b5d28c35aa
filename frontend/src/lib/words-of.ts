/** For tests: what a part of a page says, without a browser. */
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider, type QueryKey } from "@tanstack/react-query";
import i18next from "i18next";
import { createElement, type ReactElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { initReactI18next } from "react-i18next";
import { MemoryRouter } from "react-router";
import en from "../locales/en.json";

await i18next.use(initReactI18next).init({ lng: "en", resources: { en: { translation: en } } });

/** Its words in English, where the server has answered these queries. */
export function wordsOf(part: ReactElement, answers: [QueryKey, unknown][] = []): string {
  const client = new QueryClient();
  for (const [key, answer] of answers) client.setQueryData(key, answer);
  const page = createElement(MemoryRouter, null, createElement(MantineProvider, null, part));
  const markup = renderToStaticMarkup(createElement(QueryClientProvider, { client }, page));
  return markup
    .replace(/<style.*?<\/style>/gs, "")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ");
}
