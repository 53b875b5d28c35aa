import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import type en from "../locales/en.json";

declare module "i18next" {
  interface CustomTypeOptions {
    resources: { translation: typeof en };
  }
}

// A new language is one more file in locales/: it is found here, named by Intl, and offered in the account menu.
const files = import.meta.glob<{ default: Record<string, unknown> }>("../locales/*.json");
const STORED = "parley.language";

export const languages: string[] = Object.keys(files)
  .map((path) => path.replace(/^.*\/(.+)\.json$/, "$1"))
  .sort();

export function nameOfLanguage(tag: string, inLanguage = tag): string {
  try {
    const name = new Intl.DisplayNames([inLanguage], { type: "language" }).of(tag) ?? tag;
    return name.charAt(0).toLocaleUpperCase(inLanguage) + name.slice(1);
  } catch {
    return tag;
  }
}

function preferred(): string {
  const asked = [localStorage.getItem(STORED) ?? "", ...navigator.languages];
  for (const tag of asked) {
    const found = languages.find((known) => known === tag || known === tag.split("-")[0]);
    if (found) return found;
  }
  return "en";
}

async function load(language: string): Promise<void> {
  if (i18next.hasResourceBundle(language, "translation")) return;
  const file = await files[`../locales/${language}.json`]?.();
  if (file) i18next.addResourceBundle(language, "translation", file.default);
}

export async function setLanguage(language: string): Promise<void> {
  if (!languages.includes(language)) return;
  await load(language);
  localStorage.setItem(STORED, language);
  await i18next.changeLanguage(language);
}

export async function startI18n(): Promise<void> {
  i18next.use(initReactI18next);
  i18next.on("languageChanged", (language) => {
    document.documentElement.lang = language;
    document.documentElement.dir = i18next.dir(language);
  });
  await i18next.init({ fallbackLng: "en", resources: {}, interpolation: { escapeValue: false } });
  await setLanguage(preferred());
}
