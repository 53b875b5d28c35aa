import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

type Texts = Map<string, string>;

const here = fileURLToPath(new URL(".", import.meta.url));
const PLURAL = /_(zero|one|two|few|many|other)$/;

function flat(node: Record<string, unknown>, prefix = "", into: Texts = new Map()): Texts {
  for (const [name, value] of Object.entries(node)) {
    if (typeof value === "string") into.set(prefix + name, value);
    else flat(value as Record<string, unknown>, `${prefix}${name}.`, into);
  }
  return into;
}

function textsOf(language: string): Texts {
  return flat(JSON.parse(readFileSync(`${here}${language}.json`, "utf8")));
}

const values = (text: string) => [...text.matchAll(/\{\{(\w+)/g)].map((match) => match[1]).sort();
const stems = (texts: Texts) => new Set([...texts.keys()].map((key) => key.replace(PLURAL, "")));

const english = textsOf("en");
const languages = readdirSync(here)
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.replace(".json", ""));

test("English and French are there", () => {
  expect(languages).toEqual(expect.arrayContaining(["en", "fr"]));
});

test("one thing has one word", () => {
  // A user name, an administrator, to submit; and in French a nom d'utilisateur and un administrateur.
  const others = {
    en: /\b(moderators?|log(ged|s)? ?ins?|admins?|hand(s|ed|ing)? in|user ?ids?)\b/i,
    fr: /\b(modérat\p{L}+|admins?|identifiants?(?! de hub))(?!\p{L})/iu,
  };
  for (const [language, other] of Object.entries(others))
    expect([...textsOf(language)].filter(([, text]) => other.test(text))).toEqual([]);
});

describe.each(languages)("%s", (language) => {
  const texts = textsOf(language);

  test("says everything that English says, and nothing that is gone", () => {
    expect([...stems(texts)].sort()).toEqual([...stems(english)].sort());
  });

  test("has every plural form its grammar asks for", () => {
    const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    const plurals = new Set(
      [...texts.keys()].filter((key) => key.endsWith("_other")).map((key) => key.slice(0, -6)),
    );
    const missing = [...plurals]
      .flatMap((stem) => forms.map((form) => `${stem}_${form}`))
      .filter((key) => !texts.has(key));
    expect(missing).toEqual([]);
  });

  test("uses the same values in every sentence", () => {
    for (const [key, text] of texts) {
      const model = english.get(key) ?? english.get(key.replace(PLURAL, "_other"));
      // A form for one or none may leave the number out: "your first unit here".
      const isSpecial = /_(zero|one)$/.test(key);
      if (!isSpecial) expect(values(text), key).toEqual(values(model ?? ""));
    }
  });

  test("leaves no sentence empty", () => {
    expect([...texts].filter(([, text]) => !text.trim()).map(([key]) => key)).toEqual([]);
  });
});
