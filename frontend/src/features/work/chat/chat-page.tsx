import { Button } from "@mantine/core";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Dialogue } from "@/components/dialogue";
import { KeyHint } from "@/components/key-hint";
import type { WorkProps } from "@/lib/work";
import classes from "./chat.module.css";
import { type ChatContent, messagesOf } from "./content";
import { EarlierChoices } from "./earlier-choices";
import { Field } from "./field";
import { LastTurn } from "./last-turn";
import { useChatKeys } from "./use-chat-keys";
import { useTalk } from "./use-talk";

/** A dialogue with the current policy: one answer at each turn, or two of which one is chosen. */
export function ChatPage(props: WorkProps<ChatContent>) {
  const { assignment, content, change } = props;
  const { t } = useTranslation();
  const { campaign, prompt } = assignment;
  const [isRaw, setRaw] = useState(false);
  const page = useRef<HTMLDivElement>(null);
  const talk = useTalk(props, page);
  const { last, answersPrompt } = talk;
  const language = prompt.language || campaign.language;
  const said = messagesOf(assignment, content.turns);
  useChatKeys(assignment, talk, page, () => setRaw((raw) => !raw));

  return (
    <div className={classes.page} ref={page}>
      <div className={classes.said}>
        <Dialogue
          messages={last && last.chosen !== null ? said.slice(0, -1) : said}
          brief={prompt.brief}
          language={language}
          isRaw={isRaw}
        />
      </div>
      {talk.isGiven && (
        <EarlierChoices turns={content.turns.slice(0, -1)} language={language} isRaw={isRaw} />
      )}
      {last && <LastTurn talk={talk} last={last} language={language} isRaw={isRaw} />}
      {talk.canSay && (
        <div className={classes.compose}>
          {!answersPrompt && (
            <Field
              name="written"
              label={t("chat.written")}
              hint={<KeyHint keys="w" />}
              text={content.written}
              language={language}
              onWrite={(written) => change((before) => ({ ...before, written }))}
            />
          )}
          <Button variant={last ? "default" : "filled"} aria-keyshortcuts="Alt+Enter" onClick={talk.send}>
            {t(answersPrompt ? "chat.getAnswer" : "chat.send")}
            <KeyHint keys="alt+Enter" />
          </Button>
        </div>
      )}
    </div>
  );
}
