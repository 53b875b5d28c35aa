import type { RefObject } from "react";
import { useTranslation } from "react-i18next";
import type { Assignment } from "@/lib/api/types";
import { scaleOf } from "@/lib/choice";
import { lettersOfTwo } from "@/lib/keyboard/letters";
import { useKeys } from "@/lib/keyboard/use-keys";
import { pairOf } from "./content";
import type { Talk } from "./use-talk";

/** The keys that talk, choose and mend. */
export function useChatKeys(
  { campaign }: Assignment,
  talk: Talk,
  page: RefObject<HTMLElement | null>,
  toggleRaw: () => void,
) {
  const { t } = useTranslation();
  const { last, isPair, choose } = talk;
  const scale = last && isPair ? scaleOf(pairOf(last)) : [];
  useKeys(t("keys.chat"), [
    ...(talk.isGiven
      ? []
      : [
          { keys: "alt+Enter", label: t("chat.send"), whileTyping: true, run: talk.send },
          { keys: "w", label: t("chat.write"), run: () => talk.focus("written") },
          { keys: "t", label: t("chat.again"), run: talk.again },
          { keys: "x", label: t("chat.stop"), run: talk.stopAll },
          { keys: "p", label: t("chat.back"), run: talk.takeBack },
        ]),
    ...(campaign.num_completions > 1
      ? [
          {
            keys: ["1", "2", "3", "4", "5", "6", "7"].map((digit) => `Digit${digit}`),
            shownAs: "1 … 7",
            label: t("comparison.keys.choose"),
            run: (event: KeyboardEvent) => choose(scale[Number(event.code.slice(-1)) - 1]),
          },
          lettersOfTwo(t("ranking.keys.letter"), () =>
            page.current?.querySelectorAll("article[data-suggestion]"),
          ),
        ]
      : []),
    ...(campaign.own_answer === "off" ? [] : [{ keys: "e", label: t("chat.edit"), run: talk.edit }]),
    { keys: "v", label: t("text.raw"), run: toggleRaw },
  ]);
}
