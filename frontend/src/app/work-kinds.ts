import type { WorkKinds } from "@/lib/work";

const made = {
  ranking: () => import("@/features/work/ranking/work").then((module) => module.work),
  comparison: () => import("@/features/work/comparison/work").then((module) => module.work),
  demonstration: () => import("@/features/work/demonstration/work").then((module) => module.work),
  chat: () => import("@/features/work/chat/work").then((module) => module.work),
};

/** The kinds of work and where their pages are; each is loaded when its first unit comes. A review shows the others. */
export const workKinds: WorkKinds = {
  ...made,
  review: async () => {
    const { makeWork } = await import("@/features/work/review/work");
    const [ranking, comparison, demonstration, chat] = await Promise.all([
      made.ranking(),
      made.comparison(),
      made.demonstration(),
      made.chat(),
    ]);
    return makeWork({ ranking, comparison, demonstration, chat });
  },
};
