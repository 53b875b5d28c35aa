"""A tiny base language model, made from scratch on the spot, so that a first run downloads nothing.

    python -m trainer.tiny_base --text annotate/demo/dialogues.jsonl --out DIR

Trains a byte-level BPE tokenizer on the texts, builds a small Llama from its configuration (a minute on two
cores) and pretrains it on them with the ordinary next-token loss. Like any base model it knows the world of
its texts and not how to hold a conversation: pretraining sees running text, never the template's markers,
so when to answer and when to stop is left for SFT to teach.
Left out: evaluation, resuming, several devices. It runs for a minute; run it again.
"""

import json
import math
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from trainer.files import why_unreadable
from trainer.run_dir import RunError

PAD, BOS, EOS = "<|pad|>", "<|begin|>", "<|end|>"
ROLES = {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"}

# The generation markers tell TRL which tokens the assistant wrote: the loss counts them, end token included.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}"
    "{% else %}{{ message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


@dataclass
class TinyBaseConfig:
    """What to learn from, how large a model, how long."""

    text: str = field(metadata={"help": "JSON lines with `messages` (chat turns) or `text` in each row."})
    out: str = field(metadata={"help": "Directory to write the model and its tokenizer to; must not exist."})
    vocab_size: int = field(default=1024, metadata={"help": "Largest vocabulary, special tokens included."})
    hidden_size: int = field(default=128, metadata={"help": "Width of the model."})
    num_layers: int = field(default=4, metadata={"help": "Number of transformer layers."})
    num_heads: int = field(default=4, metadata={"help": "Attention heads in each layer."})
    context_length: int = field(default=512, metadata={"help": "Longest sequence the model will ever read."})
    num_steps: int = field(default=300, metadata={"help": "Optimizer steps of pretraining."})
    max_seconds: float = field(
        default=0.0, metadata={"help": "Stop pretraining earlier after so long; 0: never."}
    )
    batch_size: int = field(default=16, metadata={"help": "Blocks of text in a step."})
    block_size: int = field(default=128, metadata={"help": "Tokens in a block."})
    learning_rate: float = field(
        default=3e-3, metadata={"help": "Highest learning rate, annealed to a tenth."}
    )
    num_warmup_steps: int = field(default=20, metadata={"help": "Steps of linear warm-up."})
    seed: int = field(default=0, metadata={"help": "Seed of the weights and of the order of the texts."})


def read_texts(path: Path) -> list[str]:
    """One running text for each row: a dialogue's turns become lines, without saying who speaks."""
    texts = []
    try:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    row = json.loads(line)
                    turns = [row["text"]] if "text" in row else [turn["content"] for turn in row["messages"]]
                    texts.append("\n".join(turns))
                except (ValueError, KeyError, TypeError):
                    raise RunError(
                        f"{path}, line {number}: no JSON object with `messages` or `text`; correct the line."
                    ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(
            f"{path} cannot be read ({why_unreadable(error)}); give a JSON-lines file in UTF-8 as --text."
        ) from None
    if not texts:
        raise RunError(f"{path} holds no text; give a file with at least one row as --text.")
    return texts


def build_tokenizer(texts: list[str], vocab_size: int):
    """Byte-level BPE over the texts: any text can be written with it, the known words in few tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS, *ROLES.values()],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def build_model(config: TinyBaseConfig, tokenizer):
    """A Llama of the given size with random weights."""
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    special = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden_size,
            intermediate_size=config.hidden_size * 4,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            num_key_value_heads=config.num_heads,
            max_position_embeddings=config.context_length,
            tie_word_embeddings=True,
            **special,
        )
    )
    # Servers sample only where the model's own generation config says so.
    model.generation_config = GenerationConfig(do_sample=True, temperature=1.0, max_new_tokens=64, **special)
    return model


def pretrain(model, documents: list[list[int]], config: TinyBaseConfig) -> dict[str, float]:
    """Next-token loss on blocks cut from the shuffled, concatenated documents."""
    import torch

    generator = torch.Generator().manual_seed(config.seed)
    blocks = endless_blocks(documents, config.block_size, generator)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_share(step, config))
    began = time.monotonic()
    step, loss = 0, torch.tensor(math.nan)
    for step in range(1, config.num_steps + 1):
        batch = torch.tensor([next(blocks) for _ in range(config.batch_size)], device=device)
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        is_late = 0 < config.max_seconds < time.monotonic() - began
        if step % 50 == 0 or step == config.num_steps or is_late:
            print(f"pretraining step {step} of {config.num_steps}: loss {loss.item():.3f}", file=sys.stderr)
        if is_late:
            break
    model.to("cpu").eval()
    return {"loss": loss.item(), "step": step, "seconds": round(time.monotonic() - began, 1)}


def learning_rate_share(step: int, config: TinyBaseConfig) -> float:
    """Linear warm-up to 1, then a cosine down to 0.1."""
    if step < config.num_warmup_steps:
        return (step + 1) / config.num_warmup_steps
    done = (step - config.num_warmup_steps) / max(1, config.num_steps - config.num_warmup_steps)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, done)))


def endless_blocks(documents: list[list[int]], block_size: int, generator) -> Iterator[list[int]]:
    """Documents in a new random order each time round, as one stream cut into blocks."""
    import torch

    stream: list[int] = []
    while True:
        for index in torch.randperm(len(documents), generator=generator).tolist():
            stream += documents[index]
            while len(stream) >= block_size:
                yield stream[:block_size]
                stream = stream[block_size:]


def make_tiny_base(config: TinyBaseConfig) -> dict[str, float]:
    """Tokenizer, model, pretraining; the directory appears under its name only when it is complete."""
    import torch

    out = Path(config.out)
    if out.exists():
        raise RunError(f"{out} already exists; remove it or give another directory as --out.")
    texts = read_texts(Path(config.text))
    torch.manual_seed(config.seed)
    tokenizer = build_tokenizer(texts, config.vocab_size)
    model = build_model(config, tokenizer)
    documents = [
        [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]] for text in texts
    ]
    num_tokens = sum(map(len, documents))
    print(
        f"{len(texts)} texts, {num_tokens} tokens, vocabulary {len(tokenizer)}, "
        f"{model.num_parameters() / 1e6:.2f} million parameters",
        file=sys.stderr,
    )
    result = pretrain(model, documents, config)
    temporary = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    model.save_pretrained(temporary)
    tokenizer.save_pretrained(temporary)
    temporary.rename(out)
    return {
        **result,
        "num_texts": len(texts),
        "num_tokens": num_tokens,
        "num_parameters": model.num_parameters(),
    }


def main() -> int:
    """The command line: one JSON line with the result on standard output, progress on standard error."""
    from transformers import HfArgumentParser

    parser = HfArgumentParser(TinyBaseConfig, description=__doc__.split("\n")[0])  # type: ignore[arg-type]
    (config,) = parser.parse_args_into_dataclasses()
    try:
        print(json.dumps(make_tiny_base(config)))
    except RunError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
