import type { Assignment, CampaignKind } from "@/lib/api/types";
import type { Answering } from "@/lib/use-suggestions";
import type { Example } from "@/lib/work";

const campaignOf = (kind: CampaignKind, language: string, { campaign, completions }: Example) => ({
  id: 0,
  name: "",
  kind,
  language,
  flags: [],
  num_completions: completions?.length ?? 2,
  is_rated_first: false,
  criteria: [],
  own_answer: "off" as const,
  has_system_message: false,
  min_words: null,
  max_words: null,
  guidelines: null,
  ...campaign,
});

const completionsOf = ({ completions = [] }: Example) =>
  completions.map((text, place) => ({ id: place + 1, text }));

/** An example as if it were a unit that the server had given. */
export function practiceUnit(kind: CampaignKind, example: Example, language: string): Assignment {
  const { reviewed } = example;
  return {
    id: 0,
    state: "leased",
    lease_expires_at: "",
    seconds_left: 0,
    campaign: campaignOf(kind, language, example),
    prompt: { id: 0, messages: example.messages, brief: "", language },
    completions: completionsOf(example),
    draft: null,
    suggestions: [],
    can_suggest: false,
    submitted: null,
    reviewed: reviewed
      ? {
          assignment: 0,
          campaign: campaignOf(reviewed.kind, language, reviewed.example),
          completions: completionsOf(reviewed.example),
          content: reviewed.content,
          revision: 1,
          earlier: [],
        }
      : null,
  };
}

/** Answers as the server streams them, out of what the example says: the pair at first, then the last one alone. */
export function answersOf({ answers = [] }: Example): React.ContextType<typeof Answering> {
  let id = 0;
  return async (_assignment, { messages, side }) => {
    id += 1;
    const isFirst = !messages.some(({ role }) => role === "assistant");
    const text = (isFirst ? answers[side ?? 0] : answers.at(-1)) ?? "";
    const event = (name: string, data: object) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
    return new Response(event("start", { id }) + event("end", { id, text })).body;
  };
}
