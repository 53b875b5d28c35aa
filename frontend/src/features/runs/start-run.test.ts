import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { MemoryRouter } from "react-router";
import { expect, test } from "vitest";
import { meQuery } from "@/lib/me";
import { policiesQuery } from "@/lib/queries";
import { StartRun } from "./start-run";

test("fine-tuning begins with the base model in the form, though newer policies are there", () => {
  const client = new QueryClient();
  const newestFirst = [
    { id: 2, name: "tuned already", kind_of_run: "sft" },
    { id: 1, name: "tiny base", kind_of_run: "base" },
  ];
  client.setQueryData(meQuery.queryKey, { id: 1 } as never);
  client.setQueryData(policiesQuery.queryKey, newestFirst as never);
  const form = createElement(StartRun, { onClose: () => undefined });
  const page = createElement(MemoryRouter, null, createElement(QueryClientProvider, { client }, form));
  const shown = renderToString(createElement(MantineProvider, null, page));
  expect(shown).toMatch(/<option value="1" selected[^>]*>tiny base/);
});
