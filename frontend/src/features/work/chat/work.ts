import type { WorkKind } from "@/lib/work";
import { ChatPage } from "./chat-page";
import { type ChatContent, inWords, missing, read, restore, submission } from "./content";
import { practice } from "./practice";

export const work: WorkKind<ChatContent> = {
  read,
  restore,
  missing,
  submission,
  inWords,
  practice,
  Page: ChatPage,
};
