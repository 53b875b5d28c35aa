import { expect, test } from "vitest";

const sources = import.meta.glob<string>("../**/*.{ts,tsx}", {
  query: "?raw",
  import: "default",
  eager: true,
});

test("a key is made in lib/keys.ts and nowhere else", () => {
  const bare = Object.entries(sources).filter(([, text]) =>
    /queryKey(:| =) \[|QueryData(<.*>)?\(\[/.test(text),
  );
  expect(bare.map(([path]) => path)).toEqual([]);
});
