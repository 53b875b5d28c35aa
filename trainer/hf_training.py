"""What the two jobs built on transformers.Trainer (sft, reward) share: progress, stopping, exact resuming."""

from __future__ import annotations

import logging
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerState

from trainer.jobs import check_finite
from trainer.modeling import pick_device
from trainer.run_dir import RunDir, RunStopped

log = logging.getLogger("trainer")
STATUS_SECONDS = 1.0


class RunCallback(TrainerCallback):
    """Carries the Trainer's progress into the run directory, and a request to stop the other way."""

    def __init__(self, run: RunDir, save_minutes: float) -> None:
        self.run = run
        self.save_seconds = save_minutes * 60
        self.saved_at = self.told_at = time.monotonic()
        self.is_stopping = False

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        numbers = {name: value for name, value in (logs or {}).items() if isinstance(value, int | float)}
        if "train_runtime" in numbers:
            return  # the Trainer's closing line: its mean loss forgets what came before a resume
        check_finite(
            state.global_step, **{name: numbers[name] for name in ("loss", "grad_norm") if name in numbers}
        )
        self.run.progress(state.global_step, state.max_steps, **numbers)
        told = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        log.info("step %d of %d: %s", state.global_step, state.max_steps, told)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        now = time.monotonic()
        is_save_due = self.save_seconds > 0 and now - self.saved_at >= self.save_seconds
        stop, save = agreed(self.run.stop_requested(), is_save_due, device=args.device)
        if stop:
            self.is_stopping = control.should_training_stop = True
        if stop or save:
            control.should_save = True
        if state.global_step >= state.max_steps:
            control.should_log = True  # a short training has a last loss too
        if now - self.told_at >= STATUS_SECONDS:
            self.told_at = now
            self.run.progress(state.global_step, state.max_steps)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.saved_at = time.monotonic()
        self.run.mark_complete(
            self.run.checkpoints_dir / f"checkpoint-{state.global_step}", state.global_step
        )


def agreed(*flags: bool, device: torch.device) -> list[bool]:
    """True where any process says so: one that stopped alone would leave the others waiting for ever."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return list(flags)
    votes = torch.tensor(flags, dtype=torch.int32, device=device)
    torch.distributed.all_reduce(votes, op=torch.distributed.ReduceOp.MAX)
    return votes.bool().tolist()


def common_arguments(config: Any, run: RunDir) -> dict[str, Any]:
    """TrainingArguments that both jobs set alike; `config` is the job's flat dataclass."""
    # TRL 1.16 sets the old name by default, so the new one cannot be used yet
    warnings.filterwarnings(
        "ignore", message=".*gradient_checkpointing.* is deprecated", category=FutureWarning
    )
    has_gpu = pick_device().type == "cuda"
    return {
        "output_dir": str(run.checkpoints_dir),
        "per_device_train_batch_size": config.per_device_batch_size,
        "per_device_eval_batch_size": config.per_device_batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation_steps,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": config.lr_scheduler,
        "warmup_steps": config.warmup_steps,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "num_train_epochs": config.num_epochs,
        "max_steps": config.max_steps,
        "bf16": has_gpu and torch.cuda.is_bf16_supported(),
        "use_cpu": not has_gpu,
        "gradient_checkpointing": config.gradient_checkpointing,
        "logging_steps": config.logging_steps,
        "logging_nan_inf_filter": False,  # its default writes the last good loss over a NaN
        "eval_strategy": "steps" if config.eval_steps else "no",
        "eval_steps": config.eval_steps or None,
        "save_strategy": "steps",
        "save_steps": config.save_steps or 10**9,  # the last step is always saved
        "save_total_limit": 2,
        "seed": config.seed,
        "dataloader_pin_memory": has_gpu,
        "ddp_find_unused_parameters": False,
        "report_to": "none",
        "disable_tqdm": True,
    }


def train_resumable(trainer: Trainer, run: RunDir, save_minutes: float) -> dict[str, float]:
    """Train, from the newest complete checkpoint if there is one; {seconds, steps} of this process's part."""
    callback = RunCallback(run, save_minutes)
    trainer.add_callback(callback)
    trainer.remove_callback(PrinterCallback)  # it writes to standard output
    newest = run.newest_checkpoint()
    first_step = newest[0] if newest else 0
    run.resume_from(first_step)
    if newest:
        log.info("Resuming from the checkpoint at step %d", first_step)
    started = time.monotonic()
    if newest and _has_trained_enough(trainer, newest[1]):
        # stopped between its last step and its end: Trainer would take one step more
        trainer._load_from_checkpoint(str(newest[1]))
    else:
        trainer.train(resume_from_checkpoint=str(newest[1]) if newest else None)
    if callback.is_stopping:
        raise RunStopped
    return {"seconds": time.monotonic() - started, "steps": trainer.state.global_step - first_step}


def _has_trained_enough(trainer: Trainer, checkpoint: Path) -> bool:
    """Whether the checkpoint is that of the last step; the trainer then has its state, the logs with it."""
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    if state.global_step < state.max_steps or trainer.is_fsdp_enabled:
        return False
    trainer.state = state
    return True


def last_logged(trainer: Trainer, name: str) -> float | None:
    """The newest value of a logged number; the history comes back with the checkpoint on resume."""
    return next((row[name] for row in reversed(trainer.state.log_history) if name in row), None)
