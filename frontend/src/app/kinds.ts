import { best_worst } from "@/features/work/best-worst/kind";
import { chat } from "@/features/work/chat/kind";
import { comparison } from "@/features/work/comparison/kind";
import { demonstration } from "@/features/work/demonstration/kind";
import { ranking } from "@/features/work/ranking/kind";
import { review } from "@/features/work/review/kind";
import type { Kinds } from "@/lib/kinds";

/** Every kind of work, in the order in which a new campaign offers them. */
export const kinds: Kinds = { ranking, comparison, best_worst, demonstration, chat, review };
