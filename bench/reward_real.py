"""Held-out accuracy of a reward model from a tiny base on real rankings, against plain baselines. JSON lines.

    python bench/reward_real.py --snapshot DIR [--folds 3] [--base-steps 400] [--steps 120] [--work DIR]

The snapshot is one that `manage.py create_snapshot` made, with a campaign for each source; without one there is
nothing to measure, and one line says so. Its prompts are dealt into folds by their first user message, so that
no prompt is on both sides. For each fold a base is pretrained from nothing on the other folds' texts
(trainer.tiny_base), a reward model is trained on their rankings by the job itself (a tenth of their prompts held back,
for its temperature and to stop where it only learns by heart), and the fold's pairs are ordered by

    reward_model      with its calibrated probabilities
    longer, shorter   the longer or shorter completion, in characters
    ngrams            logistic regression on the difference of log counts of hashed words and word pairs

One line a campaign and one over all: the share of pairs ordered as the annotator did, equal scores half, with a
95 % interval by bootstrap over prompts (pairs of one prompt are no independent draws), and the expected
calibration error over ten bins. Pairs with a conversation above max_length tokens are counted and left out.
"""

import argparse
import hashlib
import itertools
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from trainer import reward
from trainer.jobs import run_job
from trainer.modeling import encode_messages, load_reward_model, score_tokens
from trainer.reward_loss import calibration_error
from trainer.reward_model import preference_probability
from trainer.run_dir import read_manifest
from trainer.snapshot import SnapshotWriter, open_snapshot
from trainer.tiny_base import TinyBaseConfig, make_tiny_base

TOLD = ("best_step", "train_accuracy", "accuracy", "temperature", "seconds")  # of a fold's run
METHODS = ("reward_model", "longer", "shorter", "ngrams")
NUM_FEATURES, PENALTIES = 1 << 16, (3.0, 30.0, 300.0)
MAX_LENGTH = 768


@dataclass
class Pair:
    """A comparison that a ranking implies; `weight` is one through the ranking's pairs."""

    campaign: str
    prompt: list
    better: str
    worse: str
    weight: float
    chances: dict[str, float] = field(default_factory=dict)  # by method: P(better is better)


def first_words(prompt: list) -> str:
    text = next((message["content"] for message in prompt if message["role"] == "user"), "")
    return " ".join(text.split()).casefold()


def share_of(prompt: list, salt: str) -> float:
    """A number from 0 to 1 that all prompts with one beginning have in common."""
    digest = hashlib.sha256(f"{salt} {first_words(prompt)}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def pairs_of(row: dict) -> list[Pair]:
    texts = {completion["id"]: completion["text"] for completion in row["completions"]}
    tiers = [[texts[member] for member in tier if texts[member].strip()] for tier in row["tiers"]]
    found = [
        (better, worse)
        for at, tier in enumerate(tiers)
        for better in tier
        for low in tiers[at + 1 :]
        for worse in low
    ]
    return [Pair(row["campaign"], row["prompt"], better, worse, 1 / len(found)) for better, worse in found]


# ---------------------------------------------------------------- the reward model


def teach(rows: list[dict], texts: list[str], folder: Path, options: argparse.Namespace, seed: int) -> dict:
    """A base and a reward model in `folder`; gives the run's metrics."""
    (folder / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    base = TinyBaseConfig(
        text=str(folder / "texts.jsonl"),
        out=str(folder / "base"),
        vocab_size=4096,
        context_length=MAX_LENGTH,
        num_steps=options.base_steps,
        seed=seed,
    )
    if not (folder / "base").exists():
        make_tiny_base(base)
    if not (folder / "snapshot").exists():
        with SnapshotWriter(folder / "snapshot") as writer:
            for row in rows:
                split = "validation" if share_of(row["prompt"], "temperature") < 0.1 else "train"
                writer.write("rankings", row | {"split": split})
            writer.close()
    arguments = {"snapshot": folder / "snapshot", "init_model": folder / "base", "run_dir": folder / "run"}
    arguments |= {"learning_rate": options.learning_rate, "warmup_steps": 20, "max_length": MAX_LENGTH}
    arguments |= {"max_steps": options.steps, "per_device_batch_size": 16, "logging_steps": 25, "seed": seed}
    arguments |= {"eval_steps": max(1, options.steps // 6), "keep": "best"}
    line = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    if run_job("reward", reward.RewardConfig, reward.train, line):
        sys.exit(f"the reward run in {folder} failed")
    return read_manifest(folder / "run")["metrics"]


def judge(pairs: list[Pair], run: Path) -> list[Pair]:
    """Set the reward model's chances; gives the pairs that are short enough for it."""
    model, tokenizer = load_reward_model(run)
    ids = {}
    for pair in pairs:
        for text in (pair.better, pair.worse):
            key = (first_words(pair.prompt), str(pair.prompt), text)
            if key not in ids:
                messages = [*pair.prompt, {"role": "assistant", "content": text}]
                ids[key] = encode_messages(tokenizer, messages)[0]
    short = {key: row for key, row in ids.items() if len(row) <= MAX_LENGTH}
    scores = dict(zip(short, score_tokens(model, list(short.values()), tokenizer.pad_token_id), strict=True))
    kept = []
    for pair in pairs:
        keys = [(first_words(pair.prompt), str(pair.prompt), text) for text in (pair.better, pair.worse)]
        if all(key in scores for key in keys):
            first, second = (scores[key] for key in keys)
            pair.chances["reward_model"] = float(preference_probability(model, first, second))
            kept.append(pair)
    return kept


# ---------------------------------------------------------------- the baselines


def judge_by_length(pairs: list[Pair]) -> None:
    for pair in pairs:
        better, worse = len(pair.better), len(pair.worse)
        pair.chances["longer"] = 0.5 if better == worse else float(better > worse)
        pair.chances["shorter"] = 1 - pair.chances["longer"]


def features(pairs: list[Pair]) -> torch.Tensor:
    """(pairs, NUM_FEATURES) sparse: log counts of the better's words and word pairs minus the worse's."""
    rows, columns, values = [], [], []
    for at, pair in enumerate(pairs):
        for text, sign in ((pair.better, 1.0), (pair.worse, -1.0)):
            words = re.findall(r"\w+|[^\w\s]", text.casefold())
            counts = Counter(words + [f"{a} {b}" for a, b in itertools.pairwise(words)])
            for gram, count in counts.items():
                digest = hashlib.blake2b(gram.encode("utf-8", "replace"), digest_size=4).digest()
                rows.append(at)
                columns.append(int.from_bytes(digest, "big") % NUM_FEATURES)
                values.append(sign * torch.log1p(torch.tensor(float(count))).item())
    indices = torch.tensor([rows, columns])
    return torch.sparse_coo_tensor(indices, torch.tensor(values), (len(pairs), NUM_FEATURES)).coalesce()


def fit_logistic(inputs: torch.Tensor, weights: torch.Tensor, penalty: float) -> torch.Tensor:
    """The (NUM_FEATURES,) of least -sum of weight x log sigmoid(inputs x theta) + penalty/2 |theta|^2."""
    theta = torch.zeros(NUM_FEATURES, requires_grad=True)
    optimizer = torch.optim.LBFGS([theta], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        gaps = torch.sparse.mm(inputs, theta[:, None])[:, 0]
        value = -(weights * torch.nn.functional.logsigmoid(gaps)).sum() + penalty / 2 * theta.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return theta.detach()


def judge_by_ngrams(train: list[Pair], held_out: list[Pair]) -> None:
    """The penalty is chosen on a tenth of the train prompts."""
    inner = [share_of(pair.prompt, "penalty") < 0.1 for pair in train]
    chosen = [pair for pair, is_inner in zip(train, inner, strict=True) if is_inner]
    others = [pair for pair, is_inner in zip(train, inner, strict=True) if not is_inner]
    inputs, held_inputs = features(others), features(chosen)
    weights = torch.tensor([pair.weight for pair in others])
    losses = {}
    for penalty in PENALTIES:
        gaps = torch.sparse.mm(held_inputs, fit_logistic(inputs, weights, penalty)[:, None])[:, 0]
        losses[penalty] = -float(torch.nn.functional.logsigmoid(gaps).mean())
    weights = torch.tensor([pair.weight for pair in train])
    theta = fit_logistic(features(train), weights, min(losses, key=losses.__getitem__))
    gaps = torch.sparse.mm(features(held_out), theta[:, None])[:, 0]
    for pair, gap in zip(held_out, gaps, strict=True):
        pair.chances["ngrams"] = float(torch.sigmoid(gap))


# ---------------------------------------------------------------- what came out


def summary(name: str, pairs: list[Pair], num_long: int) -> dict:
    """Accuracy with its interval for each method, calibration error of the two that give probabilities."""
    by_prompt = defaultdict(list)
    for pair in pairs:
        by_prompt[first_words(pair.prompt)].append(pair)
    line = {"name": "reward_real", "campaign": name, "prompts": len(by_prompt), "pairs": len(pairs)}
    line["pairs_too_long"] = num_long
    groups = list(by_prompt.values())
    drawn = [random.Random(at).choices(range(len(groups)), k=len(groups)) for at in range(1000)]
    for method in METHODS:
        chances = [torch.tensor([pair.chances[method] for pair in group]) for group in groups]
        right = torch.tensor([float((own > 0.5).sum() + 0.5 * (own == 0.5).sum()) for own in chances])
        sizes = torch.tensor([float(len(own)) for own in chances])
        means = torch.tensor([float(right[draw].sum() / sizes[draw].sum()) for draw in drawn])
        low, high = means.quantile(torch.tensor([0.025, 0.975])).tolist()
        line[method] = {"accuracy": round(float(right.sum() / sizes.sum()), 3)}
        line[method]["interval"] = [round(low, 3), round(high, 3)]
        if method in ("reward_model", "ngrams"):
            flat = torch.cat(chances)
            is_right = (flat > 0.5).float() + 0.5 * (flat == 0.5).float()
            confidence = torch.maximum(flat, 1 - flat)
            line[method]["calibration_error"] = round(calibration_error(confidence, is_right), 3)
    return line


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--snapshot", default="")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--base-steps", type=int, default=400)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--work", default="", help="folder to keep: the same command continues in it")
    options = parser.parse_args()
    if not options.snapshot:
        print(json.dumps({"name": "reward_real", "left_out": "no --snapshot with real rankings was given"}))
        return
    began = time.monotonic()
    snapshot = open_snapshot(options.snapshot)
    rows = [row for row in snapshot.rows("rankings") if not row["all_bad"]]
    judged: list[Pair] = []
    taught: list[dict] = []
    too_long: Counter[str] = Counter()
    for fold in range(options.folds):
        held_out, train = [], []
        for row in rows:
            (held_out if int(share_of(row["prompt"], "fold") * options.folds) == fold else train).append(row)
        texts = [
            "\n".join([*(m["content"] for m in row["prompt"]), c["text"]])
            for row in train
            for c in row["completions"]
        ]
        texts = list(dict.fromkeys(texts))  # several people judged the same completions
        train_pairs, pairs = ([pair for row in part for pair in pairs_of(row)] for part in (train, held_out))
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(options.work or temporary) / f"fold-{fold}"
            folder.mkdir(parents=True, exist_ok=True)
            metrics = teach(train, texts, folder, options, seed=fold)
            kept = judge(pairs, folder / "run")
        judge_by_length(kept)
        judge_by_ngrams(train_pairs, kept)
        judged += kept
        too_long.update(Counter(pair.campaign for pair in pairs) - Counter(pair.campaign for pair in kept))
        told = {name: metrics[name] for name in TOLD}
        taught.append(told)
        print(f"fold {fold + 1} of {options.folds}: {told}", file=sys.stderr)
    for campaign in dict.fromkeys(row["campaign"] for row in rows):
        own = [pair for pair in judged if pair.campaign == campaign]
        if own:
            print(json.dumps(summary(campaign, own, too_long[campaign])))
    total = summary("all", judged, sum(too_long.values()))
    total |= {"learned": taught}
    print(json.dumps(total | {"seconds": round(time.monotonic() - began), "load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
