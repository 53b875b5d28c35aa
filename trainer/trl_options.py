"""Options that DPO, KTO, RLOO and GRPO have alike; each job's own file has the rest."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.jobs import PRECISIONS, SCHEDULERS, option


@dataclass(kw_only=True)
class TrlOptions:
    """Of all four: where a run begins and stands, its optimizer, its adapter, its memory, its checkpoints."""

    init_model: str = option("Policy to start from: an sft run, a model directory or a hub id.")
    run_dir: str = option("Directory of this run; the same command on it again continues the run.")
    learning_rate: float = option("Peak learning rate.", 1e-6, at_least=0)
    lr_scheduler: str = option(
        "linear, cosine, constant or constant_with_warmup.", "linear", one_of=SCHEDULERS
    )
    warmup_steps: int = option("Steps of linear warm-up.", 0, at_least=0)
    weight_decay: float = option("AdamW's weight decay.", 0.0, at_least=0)
    max_grad_norm: float = option("Gradients are clipped to this norm.", 1.0, above=0)
    lora_rank: int = option("Learn an adapter of this rank; 0: all weights.", 0, at_least=0)
    lora_alpha: int = option("Scale of the adapter, divided by its rank.", 32, above=0)
    lora_dropout: float = option("Dropout before the adapter.", 0.0, at_least=0, at_most=1)
    lora_target: str = option("Layers that get one, by the ends of their names, with commas.", "all-linear")
    precision: str = option(
        "bf16, no (float32), or auto: bf16 on a GPU that has it.", "auto", one_of=PRECISIONS
    )
    gradient_checkpointing: bool = option("Less memory for a slower step.", False)
    save_steps: int = option("Steps between two checkpoints; 0: by save_minutes alone.", 0, at_least=0)
    save_minutes: float = option("Minutes between two checkpoints; 0: by save_steps alone.", 10.0, at_least=0)


@dataclass(kw_only=True)
class FeedbackOptions(TrlOptions):
    """Of DPO and KTO, which learn from rankings."""

    snapshot: str = option("Snapshot directory with rankings.")
    ref_model: str = option("Reference policy; empty: the policy as it starts.", "")
    beta: float = option("How much a log-ratio counts; larger stays nearer to the reference.", 0.1)
    max_steps: int = option("Optimizer steps; -1 goes by num_epochs.", -1, at_least=1, unless=-1)
    gradient_accumulation_steps: int = option("Batches in one optimizer step.", 1, at_least=1)
    max_length: int = option(
        "Longest prompt with completion in tokens; at most the model's own limit.", 1024, at_least=1
    )
    logging_steps: int = option("Steps between two rows of metrics.", 10, at_least=1)
    eval_steps: int = option(
        "Steps between two looks at the validation split; 0: only at the end.", 0, at_least=0
    )


@dataclass(kw_only=True)
class RolloutOptions(TrlOptions):
    """Of RLOO and GRPO, which learn from completions of their own, scored by a reward model."""

    snapshot: str = option("Snapshot directory; completions are sampled for its train prompts.")
    reward_model: str = option("Finished reward run (or its model directory).")
    ref_model: str = option("Reference policy of the KL; empty: the policy as it starts.", "")
    num_episodes: int = option("Completions to sample and learn from, all together.", 10_000, at_least=1)
    batch_size: int = option("Completions in a step, all processes together.", 64, at_least=1)
    num_completions: int = option(
        "Completions of a prompt, each held against the others; 2 or more.", 4, at_least=1
    )
    max_new_tokens: int = option("Longest completion, in tokens.", 256, at_least=1)
    temperature: float = option("Sampling temperature; it enters every log-probability too.", 1.0)
    missing_eos_penalty: float = option("Subtracted from the score of a completion that never ended.", 1.0)
    missing_eos_score: float | None = option("Instead, the score such a completion gets.", None)
    gradient_accumulation_steps: int = option(
        "Parts in which a step goes forward and backward.", 1, at_least=1
    )
    micro_batch_tokens: int = option("Most tokens in one forward of the reward model.", 8192, at_least=0)
    eval_steps: int = option(
        "Steps between two looks at validation prompts; 0: only at the end.", 0, at_least=0
    )
    num_eval_prompts: int = option("Validation prompts in such a look.", 64, at_least=0)
    logging_steps: int = option("Steps between two rows of metrics.", 1, at_least=1)
    sample_every: int = option("Steps between two looks at completions in samples.jsonl.", 5, at_least=1)
    num_samples: int = option("Completions in such a look.", 4, at_least=0)
    seed: int = option(
        "Seed of the sampling and of the order of the prompts.", 0, at_least=0, at_most=0xFFFF_FFFF
    )
