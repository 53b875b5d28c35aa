import type { LanguageFn } from "highlight.js";
import { createLowlight } from "lowlight";
import type { ReactNode } from "react";
import { withPictures } from "./characters";

// What people and models write most; each is a piece of its own, loaded when a text has it.
const LANGUAGES: Record<string, () => Promise<{ default: LanguageFn }>> = {
  bash: () => import("highlight.js/lib/languages/bash"),
  c: () => import("highlight.js/lib/languages/c"),
  cpp: () => import("highlight.js/lib/languages/cpp"),
  csharp: () => import("highlight.js/lib/languages/csharp"),
  css: () => import("highlight.js/lib/languages/css"),
  diff: () => import("highlight.js/lib/languages/diff"),
  go: () => import("highlight.js/lib/languages/go"),
  java: () => import("highlight.js/lib/languages/java"),
  javascript: () => import("highlight.js/lib/languages/javascript"),
  json: () => import("highlight.js/lib/languages/json"),
  kotlin: () => import("highlight.js/lib/languages/kotlin"),
  php: () => import("highlight.js/lib/languages/php"),
  powershell: () => import("highlight.js/lib/languages/powershell"),
  python: () => import("highlight.js/lib/languages/python"),
  r: () => import("highlight.js/lib/languages/r"),
  ruby: () => import("highlight.js/lib/languages/ruby"),
  rust: () => import("highlight.js/lib/languages/rust"),
  sql: () => import("highlight.js/lib/languages/sql"),
  swift: () => import("highlight.js/lib/languages/swift"),
  typescript: () => import("highlight.js/lib/languages/typescript"),
  xml: () => import("highlight.js/lib/languages/xml"),
  yaml: () => import("highlight.js/lib/languages/yaml"),
};
const ALSO: Record<string, string> = {
  "c#": "csharp",
  "c++": "cpp",
  cs: "csharp",
  golang: "go",
  html: "xml",
  js: "javascript",
  jsx: "javascript",
  kt: "kotlin",
  ps1: "powershell",
  py: "python",
  python3: "python",
  rb: "ruby",
  rs: "rust",
  sh: "bash",
  shell: "bash",
  svg: "xml",
  ts: "typescript",
  tsx: "typescript",
  yml: "yaml",
  zsh: "bash",
};

const lowlight = createLowlight();

/** Code as elements whose class says what each word is; null where the language is not known. Never HTML. */
export async function colour(text: string, language: string): Promise<ReactNode | null> {
  const name = ALSO[language] ?? language;
  const load = Object.hasOwn(LANGUAGES, name) ? LANGUAGES[name] : undefined;
  if (!load) return null;
  if (!lowlight.registered(name)) lowlight.register(name, (await load()).default);
  return inside(lowlight.highlight(name, text));
}

type Tree = ReturnType<typeof lowlight.highlight>;
type Branch = Extract<Tree["children"][number], { type: "element" }>;

function inside(parent: Tree | Branch): ReactNode {
  return parent.children.map((child, index) => {
    if (child.type === "text") return withPictures(child.value);
    if (child.type !== "element") return null;
    // "hljs-title function_" says more than is coloured: its first word is enough.
    const [kind = ""] = (child.properties.className ?? []) as string[];
    return (
      // biome-ignore lint/suspicious/noArrayIndexKey: a word is its place
      <span key={index} data-word={kind.replace("hljs-", "")}>
        {inside(child)}
      </span>
    );
  });
}
