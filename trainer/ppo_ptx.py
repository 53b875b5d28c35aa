"""PPO-ptx: the gradient of ordinary language modelling beside that of the reward.

InstructGPT (Ouyang et al. 2022), equation 2, last term: the objective gets gamma * E[log p(x)] over texts, so
that learning from the reward does not unlearn the rest. Here every optimizer step adds `ptx_coef` times the
mean loss of a target token to PPO's own loss, which is a mean over tokens too; their 27.8 was for their
normalisation and 175 billion parameters. Each text goes forward and backward before PPO's rows do, and the
gradients add up (their appendix C.4).
"""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from transformers import PreTrainedTokenizerBase

from trainer.batches import cost_of_pass, cut_by_length, pad_targets
from trainer.files import why_unreadable
from trainer.modeling import TemplateRefused
from trainer.ppo_models import Models
from trainer.rollouts import in_shuffled_passes
from trainer.run_dir import RunError
from trainer.sft import IGNORED, encode_demonstration
from trainer.sharding import in_step
from trainer.snapshot import open_snapshot

if TYPE_CHECKING:
    from trainer.ppo import PPOConfig

log = logging.getLogger("trainer")


@dataclass
class PtxText:
    """Tokens, and which of them are learned: an assistant's own, or all of a plain text."""

    ids: list[int]
    is_target: list[int]


def load_ptx_texts(config: PPOConfig, tokenizer: PreTrainedTokenizerBase, longest: int) -> list[PtxText]:
    """The train demonstrations of the snapshot, or the rows of a JSON-lines file; none where it is off.

    A row's `messages` are learned as SFT learns them: a weight of 0 leaves out, an empty last answer is cut, and so
    are turns from the end of what is over `longest` tokens. Its `text` is running text, cut into pieces of the model's
    context. What is left out is counted.
    """
    if not config.ptx_coef:
        return []
    texts, num_left_out = [], 0
    demonstrations = open_snapshot(config.snapshot).rows("demonstrations", "train")
    for row in read_rows(Path(config.ptx_data)) if config.ptx_data else demonstrations:
        if "text" in row:
            texts += pieces_of(tokenizer, row["text"], longest)
            continue
        encoded = None
        if row.get("weight", 1.0):
            with contextlib.suppress(TemplateRefused):
                encoded = encode_demonstration(tokenizer, row["messages"], longest)
        if encoded is None:
            num_left_out += 1
            continue
        ids, labels, _ = encoded
        texts.append(PtxText(ids, [0, *(int(label != IGNORED) for label in labels[1:])]))
    if num_left_out:
        log.info(
            "%d texts are left out of the mix: over %d tokens, of weight 0 or unusable", num_left_out, longest
        )
    if not texts:
        raise RunError(
            f"{config.ptx_data or config.snapshot} has no texts for --ptx-coef to learn; "
            "name a file of texts by --ptx-data, or set --ptx-coef 0."
        )
    return texts


def read_rows(path: Path) -> list[dict[str, Any]]:
    """JSON lines with `text` or `messages`."""
    rows = []
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            rows.append(json.loads(line))
            if not isinstance(rows[-1], dict) or not {"text", "messages"} & set(rows[-1]):
                raise RunError(f"{path}, line {number}: no JSON object with text or messages; mend the line.")
    except (OSError, ValueError) as error:
        raise RunError(f"--ptx-data {path} cannot be read: {why_unreadable(error)}.") from None
    return rows


def pieces_of(tokenizer: PreTrainedTokenizerBase, text: str, longest: int) -> list[PtxText]:
    """Running text in pieces of the context. Each begins with the last token of the one before, so that every
    token but the text's first is predicted once and so learned."""
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    ids = [*start, *tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    pieces = [ids[at : at + longest] for at in range(0, len(ids) - 1, longest - 1)]
    return [PtxText(piece, [0] + [1] * (len(piece) - 1)) for piece in pieces]


def add_ptx_gradient(
    config: PPOConfig, models: Models, accelerator: Accelerator, texts: list[PtxText], step: int
) -> float:
    """Adds the gradient of an optimizer step's texts; gives their mean loss (nats per token), 0 without texts.

    Texts are dealt as prompts are, so they follow from seed and step, whatever the number of processes. The
    gradients wait in this process until PPO's own backward shares all of them.
    """
    if not texts:
        return 0.0
    size = config.ptx_batch_size or config.batch_size // config.num_mini_batches
    numbers = range(step * size, (step + 1) * size)
    rows = in_shuffled_passes(
        texts, list(numbers[accelerator.process_index :: accelerator.num_processes]), config.seed, "ptx"
    )
    num_targets = torch.tensor(float(sum(sum(row.is_target) for row in rows)), device=accelerator.device)
    num_targets = accelerator.reduce(num_targets, reduction="sum")
    total = torch.zeros((), device=accelerator.device)
    groups = cut_by_length(
        [len(row.ids) for row in rows], config.micro_batch_tokens, cost_of_pass(accelerator.device)
    )
    if config.shard_weights:
        groups = in_step(accelerator, groups)
    for group in groups:
        inputs = pad_targets(
            models.tokenizer.pad_token_id,
            accelerator.device,
            [rows[i].ids for i in group],
            [rows[i].is_target for i in group],
        )
        with accelerator.no_sync(models.learner):
            logprobs, _, _ = models.learner(*inputs, temperature=1.0, with_values=False)
            loss = -logprobs.sum() / num_targets
            accelerator.backward(config.ptx_coef * loss * accelerator.num_processes)
        total += loss.detach()
    return float(accelerator.reduce(total, reduction="sum"))
