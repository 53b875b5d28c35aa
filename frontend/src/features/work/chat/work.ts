import type { WorkKind } from "@/lib/work";
import { ChatPage } from "./chat-page";
import { type ChatContent, inWords, missing, read, restore, submission } from "./content";

export const work: WorkKind<ChatContent> = {
  read,
  restore,
  missing,
  submission,
  inWords,
  Page: ChatPage,
};
