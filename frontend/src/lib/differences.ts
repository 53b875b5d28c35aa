import { diffChars, diffWordsWithSpace } from "diff";

export interface Piece {
  value: string;
  added: boolean;
  removed: boolean;
}

const LONGEST_MS = 800;
/** Written without spaces between words. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u;

/**
 * What became of a text, piece by piece: words, or characters where words are not spaced. Changes with nothing but
 * space between them are one: what went, then what came. Null when the two are too different to say in time.
 */
export function differences(before: string, after: string): Piece[] | null {
  const diff = UNSPACED.test(after) ? diffChars : diffWordsWithSpace;
  const found = diff(before, after, { timeout: LONGEST_MS });
  if (!found) return null;
  const pieces: Piece[] = [];
  let [gone, come] = ["", ""];
  const settle = () => {
    if (gone) pieces.push({ value: gone, added: false, removed: true });
    if (come) pieces.push({ value: come, added: true, removed: false });
    [gone, come] = ["", ""];
  };
  found.forEach(({ value, added, removed }, at) => {
    const isBetween = !value.trim() && Boolean(gone || come) && found[at + 1] !== undefined;
    if (!added && !removed && !isBetween) {
      settle();
      pieces.push({ value, added, removed });
      return;
    }
    if (!added) gone += value;
    if (!removed) come += value;
  });
  settle();
  return pieces;
}
