import type { WorkKinds } from "@/lib/work";

/** The kinds of work and where their pages are; each is loaded when its first unit comes. */
export const workKinds: WorkKinds = {
  ranking: () => import("@/features/ranking/work").then((module) => module.work),
  comparison: () => import("@/features/comparison/work").then((module) => module.work),
  demonstration: () => import("@/features/demonstration/work").then((module) => module.work),
};
