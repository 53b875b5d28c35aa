import { Fragment, type ReactNode } from "react";

// What has no shape of its own, or turns the text around it: a reader must see that it is there. Left alone: tab and
// line end, what joins letters and emoji (ZWJ, ZWNJ, variation selectors), where words may break (soft hyphen, ZWSP),
// and the marks of direction that Arabic and Hebrew texts are typed with (LRM, RLM, ALM).
const UNSEEN =
  /(?![\t\n\r])\p{Cc}|[\u2028\u2029\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\r(?!\n)/u;
// The flags of England, Scotland and Wales are spelled with such characters.
const FLAG = /\u{1f3f4}[\u{e0020}-\u{e007e}]{1,8}\u{e007f}/u;
const PIECES = new RegExp(`(${FLAG.source})|(${UNSEEN.source})`, "u");

/** A control character as something to be seen: its picture (␀) where Unicode has one, else its number. */
export function pictureOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Text as its characters; those that nobody would see are shown by a picture, and do nothing. */
export function withPictures(text: string): ReactNode {
  if (!UNSEEN.test(text)) return text;
  const pieces: ReactNode[] = [];
  let rest = text;
  for (let found = PIECES.exec(rest); found; found = PIECES.exec(rest)) {
    const [whole, flag] = found;
    pieces.push(rest.slice(0, found.index));
    pieces.push(flag ?? <span data-control>{pictureOf(whole)}</span>);
    rest = rest.slice(found.index + whole.length);
  }
  pieces.push(rest);
  // biome-ignore lint/suspicious/noArrayIndexKey: a piece is its place in a text that is rendered whole
  return pieces.map((piece, index) => <Fragment key={index}>{piece}</Fragment>);
}

const RIGHT_TO_LEFT =
  /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}\p{Script=Samaritan}\p{Script=Mandaic}\p{Script=Mende_Kikakui}\p{Script=Hanifi_Rohingya}]/u;

/** The direction of a text: that of its first letter. */
export function directionOf(text: string): "ltr" | "rtl" {
  const letter = /\p{L}/u.exec(text)?.[0] ?? "";
  return RIGHT_TO_LEFT.test(letter) ? "rtl" : "ltr";
}
