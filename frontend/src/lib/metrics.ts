const PART =
  /(^|[_/])(rate|accuracy|accuracies|share|fraction|frac|clipfrac|mfu|agreement|turned)($|[_/])|^judge_ties$/;

/** Whether a metric of this name is a share of a whole, to be read in percent; a learning rate is none. */
export function isShare(name: string): boolean {
  return PART.test(name) && !name.includes("learning");
}

/** What a run or an evaluation is judged by: of those that it has, the first. */
const DECIDING = [
  "win_rate",
  "accuracy",
  "eval_accuracies",
  "eval_margins",
  "eval_score",
  "score",
  "eval_loss",
  "train_accuracy",
  "train_loss",
  "loss",
  "num_completions",
];

/**
 * The one order of all numbers: figures, curves, the columns of tables, what stands beside a sample.
 * A name that is not here comes at the end of its kind, by name.
 */
const ORDER = {
  result: [
    ...["win_rate", "judge_win_rate", "score", "ref_score", "score_gain", "score_of_all"],
    ...["objective/raw_scores", "objective/scores", "objective/rlhf_reward", "reward_std"],
    ...["accuracy", "accuracy_per_ranking", "rewards/accuracies", "rewards/margins"],
    ...["rewards/chosen", "rewards/rejected", "logps/chosen", "logps/rejected"],
    ...["eval_score", "eval_accuracies", "eval_margins", "eval_loss", "eval_calibrated_loss", "eval_kl"],
    ...["eval_accuracy", "eval_accuracy_per_ranking", "eval_rewards/accuracies", "eval_rewards/margins"],
    ...["eval_raw_scores", "eval_scores", "eval_length", "eval_eos_share"],
    ...["eval_mean_token_accuracy", "eval_entropy"],
    ...["eval/raw_scores", "eval/scores", "eval/kl", "eval/length", "eval/eos_share"],
    ...["kl", "kl_k3", "objective/kl", "objective/kl_k3", "best_of_kl"],
    ...["length", "ref_length", "eos_share", "ref_eos_share"],
    ...["distinct_1", "ref_distinct_1", "distinct_2", "ref_distinct_2"],
    ...["reward_accuracy", "judge_agreement", "judge_ties", "judge_turned", "judge_first_share"],
    ...["calibration_error", "calibration_error_before", "temperature"],
  ],
  training: [
    ...["train_accuracy", "train_loss", "loss", "mean_token_accuracy", "entropy", "objective/entropy"],
    ...["first_score", "first_length", "objective/non_score_reward", "frac_reward_zero_std"],
    ...["loss/policy", "loss/value", "val/explained_variance", "policy/approx_kl", "policy/clipfrac"],
    ...["policy/ratio", "policy/num_steps", "val/clipfrac", "policy/grad_norm", "val/grad_norm"],
    ...["grad_norm", "lr", "learning_rate", "kl_coef", "objective/kl_coef"],
    ...["rollout/logprob_gap", "rollout/logprob_gap_max"],
    ...["best_step", "num_steps", "step", "num_episodes", "episode", "epoch", "score_mean", "score_std"],
  ],
  data: [
    ...["num_prompts", "num_completions", "num_demonstrations", "num_rankings", "num_pairs"],
    ...["num_desirable", "num_undesirable", "num_trees", "num_ties", "num_contradicting_pairs"],
    ...["num_eval_demonstrations", "num_eval_rankings", "num_eval_pairs", "num_judged"],
    ...["num_target_tokens", "num_tokens", "prompt_length", "num_shortened", "num_empty", "num_duplicates"],
    ...["num_queued_units", "num_queued_completions"],
    ...["num_left_out", "num_rankings_left_out", "num_prompts_left_out", "num_judge_refusals"],
  ],
  speed: [
    ...["seconds", "seconds/rollout", "seconds/update", "tokens_per_second", "eps"],
    ...["mfu", "mfu/rollout", "mfu/update", "peak_flops", "num_processes"],
  ],
};

export type FigureGroup = keyof typeof ORDER | "other";
export const FIGURE_GROUPS: readonly FigureGroup[] = ["result", "training", "data", "speed", "other"];

/** Every figure that we know, in the one order. */
export const NAMES = Object.values(ORDER).flat();
const PLACES = new Map(NAMES.map((name, place) => [name, place]));
const HOMES = new Map(
  Object.entries(ORDER).flatMap(([group, names]) =>
    names.map((name): [string, FigureGroup] => [name, group as FigureGroup]),
  ),
);

const placeOf = (name: string) => PLACES.get(name) ?? NAMES.length;

/** Which group a figure stands in. Counts that we do not know are counts of the data all the same. */
export function groupOfFigure(name: string): FigureGroup {
  return HOMES.get(name) ?? (name.startsWith("num_") ? "data" : "other");
}

/** For sorting: the one order, then by name. */
export function inOrder(one: string, other: string): number {
  return placeOf(one) - placeOf(other) || one.localeCompare(other);
}

/** A number with the ends of its interval, where it has one. */
export interface MetricFigure {
  name: string;
  value: number;
  low: number | null;
  high: number | null;
}

/** The numbers among a record's metrics in order; the ends of an interval are a part of its middle. */
export function figuresOf(metrics: Record<string, unknown>): MetricFigure[] {
  const numberOf = (name: string) => {
    const value = metrics[name];
    return typeof value === "number" && Number.isFinite(value) ? value : null;
  };
  const isEnd = (name: string) =>
    /_(low|high)$/.test(name) && numberOf(name.replace(/_(low|high)$/, "")) !== null;
  return Object.keys(metrics)
    .filter((name) => numberOf(name) !== null && !isEnd(name))
    .sort(inOrder)
    .map((name) => ({
      name,
      value: numberOf(name) as number,
      low: numberOf(`${name}_low`),
      high: numberOf(`${name}_high`),
    }));
}

/** The figure that says how it went, of a run or of an evaluation; null where nothing was measured. */
export function decidingOf(metrics: Record<string, unknown>): MetricFigure | null {
  const figures = figuresOf(metrics);
  for (const name of DECIDING) {
    const found = figures.find((figure) => figure.name === name);
    if (found) return found;
  }
  return null;
}

/** At most four round numbers between two steps, for an axis; the ends themselves where there are none. */
export function roundSteps(first: number, last: number): number[] {
  const least = (last - first) / 4;
  const size = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  const stride = [1, 2, 5, 10].map((times) => times * size).find((each) => each >= least) ?? 1;
  const steps: number[] = [];
  for (let step = Math.ceil(first / stride) * stride; step <= last; step += stride) steps.push(step);
  return steps.length > 1 ? steps : [...new Set([first, last])];
}
