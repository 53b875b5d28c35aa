/** Segments in a language; where the browser does not know it, by what all languages share. */
function segments(text: string, language: string, granularity: "word" | "sentence") {
  try {
    return new Intl.Segmenter(language, { granularity }).segment(text);
  } catch {
    return new Intl.Segmenter(undefined, { granularity }).segment(text);
  }
}

/** A text in its sentences; a line break ends one. */
export function sentencesOf(text: string, language: string): string[] {
  return [...segments(text, language, "sentence")].map(({ segment }) => segment.trim()).filter(Boolean);
}

/** How many words a text has, also in scripts that write no spaces. */
export function numWordsOf(text: string, language: string): number {
  let num = 0;
  for (const { isWordLike } of segments(text, language, "word")) if (isWordLike) num += 1;
  return num;
}
