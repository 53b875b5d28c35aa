"""Loading, saving, encoding and scoring: what every job does with a language model and its tokenizer.

Any causal language model of transformers, from a directory, a finished run, or a hub id. Only safetensors,
never code from the model's repository; a finished run is verified by hash before a byte of it is loaded.

One encoding for all jobs (`encode_messages`): the chat template's text is cut where an assistant turn begins
and ends, and each piece is tokenised alone. So the tokens of a prompt are the same when it is sampled from,
trained on and scored, and the tokens that the assistant wrote are known for any template, with or without
markers.
"""

from __future__ import annotations

import inspect
import json
import logging
import math
import os
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from jinja2 import TemplateError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from trainer.batches import cost_of_pass, cut_by_length, pad_right
from trainer.files import write_json
from trainer.run_dir import RunError, is_finished, read_manifest

log = logging.getLogger("trainer")
Messages = list[dict[str, str]]

# For a model without one: plain words as role names, so that no new token has to be learned from nothing.
DEFAULT_CHAT_TEMPLATE = (
    "{% if bos_token %}{{ bos_token }}{% endif %}"
    "{% for message in messages %}"
    "{{ message['role'] | capitalize }}:\n"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] | trim }}{{ eos_token }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ message['content'] | trim }}\n\n{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:\n' }}{% endif %}"
)
PAD_TOKEN = "<|pad|>"
SCORE_NORMALIZATION = "score_normalization.json"
SCORE_HEADS = "score_heads.safetensors"
UNSAFE_ENDINGS = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class TemplateRefused(RunError):
    """The chat template will not write these messages (an order of roles it does not know, for example)."""


def reads_tokens(reward_tokenizer: PreTrainedTokenizerBase, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a reward model reads a policy's tokens as they are; one with other tokens or another template reads text."""
    return (
        reward_tokenizer.get_vocab() == tokenizer.get_vocab()
        and reward_tokenizer.chat_template == tokenizer.chat_template
    )


class TooLong(RunError):
    """A conversation is longer than what the reward model reads."""


# ---------------------------------------------------------------- places


def pick_device() -> torch.device:
    """The accelerator where there is one; under a launcher, this process's own."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if torch.backends.mps.is_available():
        return torch.device("mps")
    _say_cpu_once(torch.get_num_threads())
    return torch.device("cpu")


@lru_cache(maxsize=1)
def _say_cpu_once(num_threads: int) -> None:
    log.info("No GPU was found: the CPU is used, with %d threads", num_threads)


def inference_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on GPUs that have it; elsewhere float32, which is as fast for small models on a CPU."""
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32


def resolve_model(name: str | Path) -> str:
    """The directory to load, or the hub id as it is: refuses unfinished runs, changed files and pickles."""
    path = Path(name)
    if not path.is_dir():
        if path.is_absolute() or str(name).count("/") > 1 or str(name).startswith("."):
            raise RunError(f"There is no model directory {name}; check the path.")
        _find_on_hub(str(name))
        return str(name)
    run = path.parent if path.name == "model" and (path.parent / "config.json").exists() else path
    if is_finished(run):
        read_manifest(run, verify=True)
        path = run / "model"
    elif (run / "status.json").exists():
        raise RunError(f"The run {run} is not finished, so its model cannot be used; finish the run first.")
    if not path.is_dir():
        raise RunError(f"The run {run} made no model; name a run of kind sft, reward or ppo.")
    names = [file.name for file in path.iterdir()]
    if not any(file.endswith(".safetensors") for file in names):
        unsafe = [file for file in names if file.endswith(UNSAFE_ENDINGS)]
        found = (
            f"only {', '.join(sorted(unsafe))}, which can run code when loaded" if unsafe else "no weights"
        )
        raise RunError(
            f"{path} holds {found}; convert the model to safetensors (save_pretrained does) and retry."
        )
    return str(path)


@cache
def _find_on_hub(name: str) -> None:
    """Ask for one small file, so that a wrong id or a missing connection is told once, at the start."""
    try:
        hf_hub_download(name, "config.json")
    except RepositoryNotFoundError as error:
        raise RunError(
            f"There is no directory {name} here and the hub shows no model of that id; check the spelling, or sign in "
            "with `hf auth login` if it is private."
        ) from error
    except LocalEntryNotFoundError as error:
        raise RunError(
            f"There is no directory {name} here and the hub cannot be reached; give a model's directory, or check "
            "the connection of the training machine."
        ) from error
    except (EntryNotFoundError, HFValidationError) as error:
        raise RunError(f"{name} on the hub is no model: it has no config.json; check the id.") from error


def _load(auto: Any, name: str, **arguments: Any) -> Any:
    try:
        return auto.from_pretrained(resolve_model(name), trust_remote_code=False, **arguments)
    except (OSError, ValueError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(f"{name} cannot be loaded as {auto.__name__}: {reason}") from error


# ---------------------------------------------------------------- tokenizer


def load_tokenizer(name: str | Path) -> PreTrainedTokenizerBase:
    """With a chat template, an end token, and a padding token that is another; says what it had to add."""
    tokenizer = _load(AutoTokenizer, str(name))
    if tokenizer.eos_token is None:
        raise RunError(
            f"The tokenizer of {name} names no end token; set eos_token in its tokenizer_config.json."
        )
    if not tokenizer.chat_template:
        tokenizer.chat_template = DEFAULT_CHAT_TEMPLATE
        log.info("The tokenizer has no chat template: plain role names (User:, Assistant:) are used")
    if tokenizer.pad_token is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        _choose_pad_token(tokenizer)
    tokenizer.padding_side = "right"
    return tokenizer


def _choose_pad_token(tokenizer: PreTrainedTokenizerBase) -> None:
    """A reserved token that no text produces, else a new one; never the end token, whose loss would go."""
    taken = set(tokenizer.all_special_ids)
    for token_id, added in sorted(tokenizer.added_tokens_decoder.items()):
        text = str(added).lower()
        if token_id not in taken and any(word in text for word in ("pad", "reserved", "unused")):
            tokenizer.pad_token = str(added)
            log.info("The tokenizer has no padding token of its own: its reserved token %s is used", added)
            return
    tokenizer.add_special_tokens({"pad_token": PAD_TOKEN})
    log.info("The tokenizer has no padding token of its own: %s is added to it", PAD_TOKEN)


@lru_cache(maxsize=16)
def _control_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Tokens that structure a conversation: those with a role of their own, and those added as special."""
    named = dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))
    return named | {str(t): number for number, t in tokenizer.added_tokens_decoder.items() if t.special}


def _plain(tokenizer: PreTrainedTokenizerBase, messages: Messages) -> Messages:
    """Role and content only; a control token in a person's text is broken: "<|end|>" becomes "< |end|>"."""
    plain = []
    for message in messages:
        content = str(message.get("content") or "")
        for token in _control_tokens(tokenizer):
            if len(token) > 2 and token in content:
                content = content.replace(token, f"{token[0]} {token[1:]}")
        plain.append({"role": message["role"], "content": content})
    return plain


def _render(
    tokenizer: PreTrainedTokenizerBase, messages: Messages, add_generation_prompt: bool = False
) -> str:
    try:
        return str(
            tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=add_generation_prompt
            )
        )
    except TemplateError as error:
        raise TemplateRefused(f"The model's chat template refuses a conversation: {error}.") from None


def encode_messages(
    tokenizer: PreTrainedTokenizerBase, messages: Messages, add_generation_prompt: bool = False
) -> tuple[list[int], list[int]]:
    """(token ids, 1 where the assistant wrote the token). The token that ends its turn is the assistant's.

    A template that ends its turns with no special token gets the end token there. An earlier assistant turn
    that the template rewrites when more follows is not marked; the last one always is. What follows the end
    of a last assistant turn (a line break, mostly) is left out, so that a conversation ends as a sampled one
    does.
    """
    messages = _plain(tokenizer, messages)
    text = _render(tokenizer, messages, add_generation_prompt)
    ids: list[int] = []
    is_assistant: list[int] = []
    position = 0
    ends_with_assistant = bool(messages) and messages[-1]["role"] == "assistant" and not add_generation_prompt
    for at, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = _render(tokenizer, messages[:at], add_generation_prompt=True)
        through = _render(tokenizer, messages[: at + 1])
        if not (through.startswith(before) and text.startswith(through)):
            if at < len(messages) - 1 or not ends_with_assistant:
                continue  # rewritten by the template: context, not a target
            # the template asks for an answer in other words than it writes one: follow the way it is asked
            text, through = before, before + message["content"]
            text = through
        outside = _tokenize(tokenizer, text[position : len(before)])
        inside, tail = _split_end(tokenizer, _tokenize(tokenizer, text[len(before) : len(through)]))
        if at == len(messages) - 1:
            tail = []
        ids += outside + inside + tail
        is_assistant += [0] * len(outside) + [1] * len(inside) + [0] * len(tail)
        position = len(through)
    rest = _tokenize(tokenizer, text[position:])
    return ids + rest, is_assistant + [0] * len(rest)


def _tokenize(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"] if text else []


def _split_end(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> tuple[list[int], list[int]]:
    """An assistant turn through its end-of-turn token, and the white space that a template adds."""
    special = set(_control_tokens(tokenizer).values())
    for at in range(len(ids) - 1, -1, -1):
        if ids[at] in special:
            return ids[: at + 1], ids[at + 1 :]
        if str(tokenizer.decode([ids[at]])).strip():
            break
    return [*ids, tokenizer.eos_token_id], []


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Messages) -> list[int]:
    """The tokens after which the model writes its answer."""
    return encode_messages(tokenizer, messages, add_generation_prompt=True)[0]


def stop_token_ids(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel | None = None) -> list[int]:
    """Every token that ends an answer: the tokenizer's, the model's, and the one the chat template writes."""
    ids = {tokenizer.eos_token_id}
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    ids.update(configured if isinstance(configured, list) else [configured])
    probe = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    ids.add(encode_messages(tokenizer, probe)[0][-1])
    return sorted(ids - {None, tokenizer.pad_token_id})


# ---------------------------------------------------------------- models


def _fit_tokenizer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Rows for added tokens, and one padding token for both."""
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:  # type: ignore[index, operator, union-attr]
        model.resize_token_embeddings(len(tokenizer))
    for config in (model.config, model.config.get_text_config(), getattr(model, "generation_config", None)):
        if config is not None:
            config.pad_token_id = tokenizer.pad_token_id


def load_causal_lm(
    name: str | Path, tokenizer: PreTrainedTokenizerBase, dtype: torch.dtype = torch.float32, **arguments: Any
) -> PreTrainedModel:
    """On the CPU; the caller moves it (`.to(pick_device())`) or leaves that to its Trainer.

    `arguments` are the library's (quantization_config).
    """
    model = _load(AutoModelForCausalLM, str(name), use_safetensors=True, dtype=dtype, **arguments)
    _fit_tokenizer(model, tokenizer)
    return model


def new_reward_model(name: str | Path, tokenizer: PreTrainedTokenizerBase, seed: int = 0) -> PreTrainedModel:
    """A language model's trunk with a new scalar head, N(0, 1/sqrt(d+1)) (N+ details, section 3.2)."""
    model = _load(
        AutoModelForSequenceClassification, str(name), use_safetensors=True, dtype=torch.float32, num_labels=1
    )
    if not isinstance(getattr(model, "score", None), torch.nn.Linear):
        raise RunError(
            f"{type(model).__name__} has no `score` head; use a decoder model such as Llama, Qwen or GPT."
        )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.score.weight.normal_(0.0, 1 / math.sqrt(model.score.in_features + 1), generator=generator)
    _fit_tokenizer(model, tokenizer)
    return model


def load_reward_model(
    name: str | Path, dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A finished reward run's model and tokenizer; `score` and `score_tokens` know its normalisation."""
    folder = Path(resolve_model(name))
    if not (folder / SCORE_NORMALIZATION).is_file():
        raise RunError(
            f"{name} has no {SCORE_NORMALIZATION}, so it is not a reward model; name a reward run."
        )
    tokenizer = load_tokenizer(folder)
    model = _load(
        AutoModelForSequenceClassification, str(folder), use_safetensors=True, dtype=dtype, num_labels=1
    )
    _fit_tokenizer(model, tokenizer)
    normalization = json.loads((folder / SCORE_NORMALIZATION).read_text())
    model.score_mean, model.score_std = float(normalization["mean"]), float(normalization["std"])
    model.score_temperature = float(normalization.get("temperature", 1.0))
    model.score_criteria = normalization.get("criteria", {})
    heads = folder / SCORE_HEADS
    model.score_heads = load_file(heads)["heads"] if heads.is_file() else None  # of an ensemble, or criteria
    return model.eval(), tokenizer


def save_model(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    score_normalization: dict[str, Any] | None = None,
    score_heads: torch.Tensor | None = None,
) -> None:
    """Into `folder` (of RunDir.writing_model, mostly), as safetensors."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if score_normalization is not None:
        write_json(folder / SCORE_NORMALIZATION, score_normalization)
    if score_heads is not None:
        save_file({"heads": score_heads.float().cpu().contiguous()}, folder / SCORE_HEADS)


def context_length(model: PreTrainedModel) -> int:
    """The longest sequence the model was made for; a large number for models without such a limit."""
    config = model.config.get_text_config()
    return int(
        getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 1 << 20
    )


def accepts(model: PreTrainedModel, argument: str) -> bool:
    return argument in inspect.signature(model.forward).parameters


# ---------------------------------------------------------------- scoring


@torch.inference_mode()
def raw_scores(
    model: PreTrainedModel, sequences: Sequence[Sequence[int]], pad_id: int, max_tokens: int = 8192
) -> torch.Tensor:
    """The head's value at each sequence's last token, (sequences,) float32 on the CPU; one forward each."""
    rows = scores_along(model, sequences, pad_id, max_tokens)
    return torch.stack([row[-1] for row in rows]) if rows else torch.empty(0)


def scores_along(
    model: PreTrainedModel, sequences: Sequence[Sequence[int]], pad_id: int, max_tokens: int = 8192
) -> list[torch.Tensor]:
    """The head's value after each token of each sequence, (tokens,) float32 on the CPU; one forward each.

    What is real is told by length: the library's own reading passes over a padding token that was sampled.
    """
    longest, most = max(map(len, sequences), default=0), context_length(model)
    if longest > most:
        raise TooLong(
            f"The reward model reads {most} tokens and a conversation has {longest}; lower max_new_tokens, or choose "
            "a reward model that reads more."
        )
    scores = [torch.empty(0)] * len(sequences)
    lengths = [len(sequence) for sequence in sequences]
    for batch in cut_by_length(lengths, max_tokens, cost_of_pass(model.device)):
        inputs = pad_right([sequences[i] for i in batch], pad_id, model.device)
        states = model.base_model(**inputs, use_cache=False).last_hidden_state
        values = model.score(states)[..., 0].float().cpu()  # type: ignore[operator]
        for i, row in zip(batch, values, strict=True):
            scores[i] = row[: len(sequences[i])]
            if not scores[i].isfinite().all():
                raise RunError(
                    "The reward model gives scores that are no numbers; choose another, or train it again with a "
                    "lower learning rate."
                )
    return scores


def score_tokens(
    reward_model: PreTrainedModel, sequences: Sequence[Sequence[int]], pad_id: int, max_tokens: int = 8192
) -> torch.Tensor:
    """Normalised scores of tokens as they are: an answer cut off before its end token stays cut off."""
    return normalized(reward_model, raw_scores(reward_model, sequences, pad_id, max_tokens))


def normalized(reward_model: PreTrainedModel, raw: torch.Tensor) -> torch.Tensor:
    """Raw scores on the model's stored scale: mean 0 and variance 1 on the completions it was brought to scale by."""
    return (raw - float(reward_model.score_mean)) / float(reward_model.score_std)  # type: ignore[arg-type]


def score(
    reward_model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Messages],
    max_tokens: int = 8192,
) -> torch.Tensor:
    """Normalised scores of whole conversations, each ending with the assistant turn that is judged."""
    sequences = [encode_messages(tokenizer, messages)[0] for messages in conversations]
    return score_tokens(reward_model, sequences, tokenizer.pad_token_id, max_tokens)
