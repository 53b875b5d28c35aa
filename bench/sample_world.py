"""PPO over several seeds on the demo's sample world, beside best-of-n and RLOO. One JSON line a policy, then a summary.

    make demo SERVE=0; python bench/sample_world.py [--seeds 5] [--drawing docs/images/reward-kl.svg]

Takes the last demo's snapshot, SFT policy and reward model from the data directory and trains PPO on them with the
demo's own settings, once for each seed; each policy and the SFT policy answer every held-out prompt from the same
random numbers. `preferred` is the share of answers in the style that the scripted annotator's stated preference
names, which no model sees; `score` is the reward model's. Best-of-n is the SFT policy's best answer of n by the
reward model: its KL to the SFT policy is at most log n - (n - 1) / n (Stiennon et al. 2020, appendix G.3).

`p_value`: one-sided, by flipping the sign of each prompt's difference of preferred answers (its mean over the
seeds) at random, 20,000 times; prompts are what was sampled, so they are what is flipped.
The drawing shows reward against KL: every batch of every run, and best-of-n.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")

import django

django.setup()

from django.conf import settings
from django.db import ProgrammingError

from annotate.demo import scripted_annotator as preference
from annotate.runs.models import Run
from trainer.run_dir import read_manifest, read_metrics, read_samples

BEST_OF = (2, 4, 8, 16)
COLOURS = {"ppo": "#2f6fde", "rloo": "#b3541e", "best of n": "#3d7f4c"}


def last_demo() -> Run | None:
    """The demo's evaluation of PPO, from which every input is reached; None where no demo has finished."""
    evaluations = Run.objects.filter(kind="evaluate", state="succeeded", round__name__startswith="demo")
    try:
        return evaluations.order_by("-pk").first()
    except ProgrammingError:  # a database without tables
        return None


def job(kind: str, out: Path, options: dict) -> Path:
    """Run a training job unless it is finished already; its run directory."""
    line = [sys.executable, "-m", f"trainer.{kind}", "--run-dir", str(out)]
    for name, value in options.items():
        line += [f"--{name.replace('_', '-')}", str(value)]
    print(f"[{time.strftime('%H:%M:%S')}] {kind} {out.name}", file=sys.stderr, flush=True)
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{kind} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
    return out


def preferred_and_true(rows: list[dict], field: str) -> tuple[list[bool], float]:
    texts = [(row["prompt"], row[field]) for row in rows]
    is_true = [preference.is_true(prompt, text) for prompt, text in texts]
    return [preference.preferred(prompt, text) for prompt, text in texts], sum(is_true) / len(texts)


def judged_policy(method: str, seed: int, evaluated: Path) -> dict:
    metrics, rows = read_manifest(evaluated)["metrics"], read_samples(evaluated)
    preferred, is_true = preferred_and_true(rows, "completion")
    sft_preferred, sft_true = preferred_and_true(rows, "ref_completion")
    figures = {
        "bench": "sample_world",
        "policy": method,
        "seed": seed,
        "preferred": sum(preferred) / len(rows),
        "sft_preferred": sum(sft_preferred) / len(rows),
        "true": is_true,
        "sft_true": sft_true,
        **{name: metrics[name] for name in ("score", "ref_score", "kl", "length", "win_rate")},
        "win_rate_interval": [metrics["win_rate_low"], metrics["win_rate_high"]],
    }
    print(json.dumps(figures), flush=True)
    gains = [int(a) - int(b) for a, b in zip(preferred, sft_preferred, strict=True)]
    return figures | {"gains": gains}


def best_of(judged: Run, chosen: dict, out: Path, num: int) -> dict:
    """The SFT policy's best of `num` answers on the held-out prompts."""
    sampling = {name: chosen["evaluate"][name] for name in ("temperature", "max_new_tokens", "batch_size")}
    run = job(
        "sample",
        out / f"best-of-{num}",
        sampling
        | {"model": judged.ref_policy.path, "snapshot": judged.snapshot.path, "split": "validation"}
        | {"reward_model": judged.reward_model.path, "best_of": num, "num_completions": 1},
    )
    prompts = {str(row["id"]): row["prompt"] for row in snapshot_prompts(judged)}
    rows = [json.loads(line) for line in (run / "completions.jsonl").read_text().splitlines()]
    texts = [{"prompt": prompts[str(row["prompt_id"])], "text": row["text"]} for row in rows]
    preferred, is_true = preferred_and_true(texts, "text")
    figures = {
        "bench": "sample_world",
        "policy": f"best of {num}",
        "preferred": sum(preferred) / len(rows),
        "true": is_true,
        "score": sum(row["score"] for row in rows) / len(rows),
        "kl": math.log(num) - (num - 1) / num,
    }
    print(json.dumps(figures), flush=True)
    return figures


def snapshot_prompts(judged: Run) -> list[dict]:
    from trainer.snapshot import open_snapshot

    return list(open_snapshot(judged.snapshot.path).rows("prompts", "validation"))


def sign_flip_p_value(differences: list[float], num_draws: int = 20_000) -> float:
    """One-sided: how often random signs give a sum at least as large."""
    rng, observed = random.Random(0), sum(differences)
    moved = [difference for difference in differences if difference]
    as_large = sum(
        sum(rng.choice((-1, 1)) * difference for difference in moved) >= observed for _ in range(num_draws)
    )
    return (as_large + 1) / (num_draws + 1)


def draw(path: Path, series: dict[str, list[tuple[float, float]]]) -> None:
    """Reward against KL as an SVG: a dot for every batch of a run, a line through best-of-n."""
    points = [point for each in series.values() for point in each]
    most_kl = max(kl for kl, _ in points) * 1.05
    low, high = min(s for _, s in points) - 0.1, max(s for _, s in points) + 0.1
    width, height, left, bottom = 720, 420, 60, 50

    def place(kl: float, score: float) -> tuple[float, float]:
        x = left + kl / most_kl * (width - left - 20)
        return round(x, 1), round(height - bottom - (score - low) / (high - low) * (height - bottom - 20), 1)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
            'font-size="13" role="img" aria-label="Reward against KL to the SFT policy">'
        ),
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{width / 2}" y="{height - 10}" text-anchor="middle">KL to the SFT policy, nats a completion</text>',
        f'<text transform="translate(16 {height / 2}) rotate(-90)" text-anchor="middle">reward model\'s score</text>',
    ]
    for i in range(6):
        kl, score = most_kl * i / 5, low + (high - low) * i / 5
        (x, base), (_, y) = place(kl, low), place(0, score)
        parts.append(f'<text x="{x}" y="{base + 18}" text-anchor="middle" fill="#555">{kl:.1f}</text>')
        parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end" fill="#555">{score:+.1f}</text>')
        parts.append(f'<line x1="{left}" x2="{width - 20}" y1="{y}" y2="{y}" stroke="#e5e5e5"/>')
    for at, (name, each) in enumerate(series.items()):
        colour, shape = COLOURS[name], [place(*point) for point in each]
        if name == "best of n":
            line = " ".join(f"{x},{y}" for x, y in shape)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}" fill-opacity="0.6"/>' for x, y in shape]
        parts.append(f'<circle cx="{width - 120}" cy="{height - 130 + 20 * at}" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{width - 108}" y="{height - 126 + 20 * at}">{name}</text>')
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--drawing", type=Path, default=None, help="write the drawing here (.svg)")
    arguments = parser.parse_args()
    judged = last_demo()
    if judged is None:
        told = "no demo has finished in this data directory; `make demo SERVE=0` runs one"
        print(json.dumps({"bench": "sample_world", "left_out": told}))
        return
    chosen = json.loads((ROOT / "annotate/demo/settings.json").read_text())
    out = Path(settings.PARLEY_DATA) / "bench" / f"sample-world-{judged.pk}"
    inputs = {
        "snapshot": judged.snapshot.path,
        "init_model": judged.ref_policy.path,
        "reward_model": judged.reward_model.path,
    }
    settings_of = {"ppo": chosen["ppo"], "rloo": chosen.get("rloo")}
    results: dict[str, list[dict]] = {}
    series: dict[str, list[tuple[float, float]]] = {}
    for method, options in settings_of.items():
        for seed in range(arguments.seeds) if options else ():
            run = job(method, out / f"{method}-{seed}", inputs | options | {"seed": seed})
            rows = [row for row in read_metrics(run) if "objective/kl" in row]
            series.setdefault(method, []).extend(
                (row["objective/kl"], row["objective/scores"]) for row in rows
            )
            evaluated = job(
                "evaluate",
                out / f"evaluate-{method}-{seed}",
                chosen["evaluate"]
                | {"snapshot": judged.snapshot.path, "reward_model": judged.reward_model.path}
                | {"model": run, "ref_model": judged.ref_policy.path, "seed": seed},
            )
            results.setdefault(method, []).append(judged_policy(method, seed, evaluated))
    several = [best_of(judged, chosen, out, num) for num in BEST_OF]
    series["best of n"] = [(each["kl"], each["score"]) for each in several]
    for method, each in results.items():
        by_prompt = [sum(gains) / len(gains) for gains in zip(*(one["gains"] for one in each), strict=True)]
        summary = {
            "bench": "sample_world",
            "summary": method,
            "num_seeds": len(each),
            "num_prompts": len(by_prompt),
            **{
                f"mean_{name}": sum(one[name] for one in each) / len(each)
                for name in ("preferred", "sft_preferred", "true", "sft_true", "score", "kl")
            },
            "least_gain": min(one["preferred"] - one["sft_preferred"] for one in each),
            "p_value": sign_flip_p_value(by_prompt),
            "asked": "preferred above SFT's with p < 0.01",
        }
        print(json.dumps(summary), flush=True)
    if arguments.drawing:
        draw(arguments.drawing, series)


if __name__ == "__main__":
    main()
