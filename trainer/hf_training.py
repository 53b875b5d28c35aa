"""What the jobs built on transformers.Trainer share: progress, stopping, exact resuming, ending before harm."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerState
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME

from trainer.flops import Meter
from trainer.jobs import is_out_of_memory
from trainer.modeling import pick_device
from trainer.run_dir import RunDir, RunError, RunStopped

log = logging.getLogger("trainer")
STATUS_SECONDS = 1.0

# What the Trainer adds of itself; it tells of the machine and differs from run to run.
TIMES_OF_EVALUATION = (
    "eval_runtime",
    "eval_samples_per_second",
    "eval_steps_per_second",
    "eval_model_preparation_time",
)
# What a trainer has summed up since its last row of metrics: the Trainer's loss, TRL's figures, our SFT's accuracy
SUMS = ("_tr_loss", "_globalstep_last_logged", "_metrics", "num_right", "num_targets")


class RunCallback(TrainerCallback):
    """Carries the Trainer's progress into the run directory, and a request to stop the other way."""

    def __init__(
        self, trainer: Trainer, run: RunDir, save_minutes: float, worked: Work | None = None
    ) -> None:
        self.trainer, self.run, self.worked = trainer, run, worked
        self.sums: dict[str, Any] = {}  # what a resumed training goes on summing
        self.save_seconds = save_minutes * 60
        self.saved_at = self.told_at = time.monotonic()
        self.is_stopping = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        for name, value in self.sums.items():
            setattr(self.trainer, name, value)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        numbers = {
            name: value
            for name, value in (logs or {}).items()
            if isinstance(value, int | float) and name not in TIMES_OF_EVALUATION
        }
        if "train_runtime" in numbers:
            return  # the Trainer's closing line: its mean loss forgets what came before a resume
        if self.worked and "loss" in numbers:
            numbers |= self.worked.row()
        self.run.progress(state.global_step, state.max_steps, **numbers)

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
        folder = self.run.checkpoints_dir / f"checkpoint-{state.global_step}"
        write_sums(self.trainer, folder)
        self.trainer.accelerator.wait_for_everyone()  # the other processes write into it too
        self.run.mark_complete(folder, state.global_step)


def sums_file(trainer: Trainer, checkpoint: Path) -> Path:
    return checkpoint / f"sums_{trainer.args.process_index}.pt"


def write_sums(trainer: Trainer, checkpoint: Path) -> None:
    """A checkpoint may fall between two rows of metrics: the next one is of the steps before it too."""
    sums = {name: getattr(trainer, name) for name in SUMS if hasattr(trainer, name)}
    if "_metrics" in sums:
        sums["_metrics"] = {split: dict(figures) for split, figures in sums["_metrics"].items()}
    torch.save(sums, sums_file(trainer, checkpoint))


def read_sums(trainer: Trainer, checkpoint: Path) -> dict[str, Any]:
    """{name: value} for the trainer; empty for a checkpoint without them, whose next row begins with it."""
    path = sums_file(trainer, checkpoint)
    if not path.is_file():
        return {}
    sums: dict[str, Any] = torch.load(path, map_location=trainer.args.device, weights_only=True)
    if "_metrics" in sums:
        sums["_metrics"] = {split: defaultdict(list, figures) for split, figures in sums["_metrics"].items()}
    return sums


class Work:
    """Model FLOPs utilisation of a training; `flops_done` gives those of this process since it began."""

    def __init__(self, trainer: Trainer, flops_done: Callable[[], float]) -> None:
        self.meter = Meter(trainer.args.device, torch.bfloat16 if trainer.args.bf16 else torch.float32)
        self.flops_done = flops_done
        self.flops, self.looked_at = 0.0, time.monotonic()

    def row(self) -> dict[str, float]:
        self.look()
        return self.meter.row()

    def total(self) -> dict[str, float]:
        self.look()
        return self.meter.total()

    def look(self) -> None:
        flops, now = self.flops_done(), time.monotonic()
        self.meter.add(flops - self.flops, now - self.looked_at)
        self.flops, self.looked_at = flops, now


def agreed(*flags: bool, device: torch.device) -> list[bool]:
    """True where any process says so: one that stopped alone would leave the others waiting for ever."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return list(flags)
    votes = torch.tensor(flags, dtype=torch.int32, device=device)
    torch.distributed.all_reduce(votes, op=torch.distributed.ReduceOp.MAX)
    return votes.bool().tolist()


def uses_bf16(precision: str) -> bool:
    """bf16 and no as they say; auto: on a GPU that has it."""
    has_bf16_gpu = pick_device().type == "cuda" and torch.cuda.is_bf16_supported()
    return precision == "bf16" or (precision == "auto" and has_bf16_gpu)


def common_arguments(config: Any, run: RunDir, precision: str = "auto") -> dict[str, Any]:
    """TrainingArguments that these jobs set alike; `config` is the job's flat dataclass."""
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
        "bf16": uses_bf16(precision),
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


def train_resumable(
    trainer: Trainer, run: RunDir, save_minutes: float, flops_done: Callable[[], float] | None = None
) -> dict[str, float]:
    """Train, from the newest complete checkpoint if there is one; {seconds} of this process's part.

    With `flops_done` (what this process has computed since it began) also {mfu, peak_flops}.
    """
    worked = Work(trainer, flops_done) if flops_done else None
    callback = RunCallback(trainer, run, save_minutes, worked)
    trainer.add_callback(callback)
    trainer.remove_callback(PrinterCallback)  # it writes to standard output
    newest = run.newest_checkpoint()
    first_step = newest[0] if newest else 0
    run.resume_from(first_step)
    if newest:
        _check_checkpoint(trainer, newest[1])
        callback.sums = read_sums(trainer, newest[1])
        log.info("Resuming from the checkpoint at step %d", first_step)
    started = time.monotonic()
    _watch_steps(trainer)
    if newest and _has_trained_enough(trainer, newest[1]):
        # stopped between its last step and its end: Trainer would take one step more
        trainer._load_from_checkpoint(str(newest[1]))
    else:
        try:
            trainer.train(resume_from_checkpoint=str(newest[1]) if newest else None)
        except (RuntimeError, MemoryError, NotFinite) as error:
            if not (isinstance(error, NotFinite) or is_out_of_memory(error)):
                raise
            step = _save_before_step(trainer, run, is_together=isinstance(error, NotFinite))
            raise RunError(_ending(error, step)) from error
    if callback.is_stopping:
        raise RunStopped
    return {"seconds": round(time.monotonic() - started, 2)} | (worked.total() if worked else {})


class NotFinite(Exception):
    """A loss or a gradient is no number, and no weight has learned from it yet."""


def _watch_steps(trainer: Trainer) -> None:
    """Look at each loss and each gradient norm before the optimizer does: what is no number never comes back.

    Of several processes each has its own loss and all have the same norm, so there the norm alone is looked at:
    one that ended by itself would leave the others waiting.
    """
    take, get_norm = trainer.training_step, trainer._get_grad_norm

    def check(name: str, value: Any) -> None:
        if value is not None and not math.isfinite(value):
            raise NotFinite(f"{name} became {float(value)} at step {trainer.state.global_step + 1}")

    def training_step(*arguments: Any, **named: Any) -> torch.Tensor:
        loss = take(*arguments, **named)
        if trainer.args.world_size == 1:
            check("loss", loss)
        return loss

    def grad_norm(*arguments: Any, **named: Any) -> Any:
        norm = get_norm(*arguments, **named)
        check("grad_norm", norm)
        return norm

    trainer.training_step, trainer._get_grad_norm = training_step, grad_norm  # type: ignore[method-assign]


def _save_before_step(trainer: Trainer, run: RunDir, is_together: bool) -> int:
    """A checkpoint of the steps that are done, where all processes come here; gives the newest one's step."""
    step = trainer.state.global_step
    newest = run.newest_checkpoint()
    if step and (is_together or trainer.args.world_size == 1) and (newest is None or newest[0] < step):
        trainer.model.zero_grad(set_to_none=True)  # type: ignore[union-attr]
        trainer._save_checkpoint(trainer.model, trial=None)  # type: ignore[arg-type]
        run.mark_complete(run.checkpoints_dir / f"checkpoint-{step}", step)
        newest = run.newest_checkpoint()
    return newest[0] if newest else 0


def _ending(error: BaseException, step: int) -> str:
    kept = f"the steps up to {step} are in checkpoints/checkpoint-{step}" if step else "it was the first step"
    if isinstance(error, NotFinite):
        return (
            f"{error} and nothing has learned from it ({kept}); look at the data, or start a new run with a "
            "lower learning rate, from that checkpoint if you like (--init-model)."
        )
    return (
        f"The memory is full ({kept}); repeat the command with a smaller micro_batch_tokens where the job has it "
        "(it changes no result, so the run continues), or start a new one with a smaller batch, max_length or "
        "gradient_checkpointing."
    )


def _check_checkpoint(trainer: Trainer, checkpoint: Path) -> None:
    """Refuse weights of another model or of other options: loading would put some of them nowhere, silently."""
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:  # these write files of their own
        return
    model: Any = trainer.model
    expected, name = dict(model.state_dict()), SAFE_WEIGHTS_NAME
    if isinstance(model, PeftModel):
        expected, name = get_peft_model_state_dict(model), "adapter_model.safetensors"
    differing = {name}
    if (checkpoint / name).is_file():
        with safe_open(checkpoint / name, "pt") as file:
            saved = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        held = {expected[key].data_ptr() for key in saved if key in expected}
        # tied weights are saved under one of their names
        missing = {
            key for key, value in expected.items() if key not in saved and value.data_ptr() not in held
        }
        shapes = {key: tuple(value.shape) for key, value in expected.items()}
        differing = missing | {key for key, shape in saved.items() if shapes.get(key) != shape}
    if (
        differing and not (checkpoint / SAFE_WEIGHTS_INDEX_NAME).is_file()
    ):  # large models are in several files
        raise RunError(
            f"The checkpoint {checkpoint} belongs to another configuration ({min(differing)} differs); "
            "repeat the original command, or choose another --run-dir."
        )


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
