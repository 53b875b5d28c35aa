/** Of a longer text its beginning is shown first. */
export const LONGEST_AT_ONCE = 24_000;
const BEGINNING = 6_000;

/** Beyond this length parsing and layout would stall the page; such a text is shown as it was written. */
export const LONGEST_RENDERED = 60_000;

const PIECE = 3_000;

/** The beginning of a long text, ended where a line, else a word, ends; never inside a character. */
export function beginningOf(text: string): string {
  const part = text.slice(0, BEGINNING);
  const end = [part.lastIndexOf("\n"), part.lastIndexOf(" ")].find((at) => at > BEGINNING / 2) ?? BEGINNING;
  return text.slice(0, isInsideCharacter(text, end) ? end - 1 : end);
}

/** A text in pieces of whole lines; a line that is longer than a piece is a piece of its own. */
export function piecesOf(text: string): string[] {
  const pieces: string[] = [];
  let begin = 0;
  while (text.length - begin > PIECE) {
    const end = text.indexOf("\n", begin + PIECE);
    if (end < 0) break;
    pieces.push(text.slice(begin, end));
    begin = end + 1;
  }
  pieces.push(text.slice(begin));
  return pieces;
}

function isInsideCharacter(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff;
}
