"""The same completions through TRL 1.12.0's PPO and through ours: do the weights move alike? One JSON line.

    python bench/ppo_same.py [--batches 1]

Scores of single runs differ by what is sampled. This takes sampling out: TRL's trainer rolls out and learns from
a few batches of bench/ppo.py's world (same settings), its completions are written down, and our trainer learns
from those very completions, with a separate critic. Compared is by how much the weights changed:

    policy_cosine, critic_cosine           of the two changes of all weights
    policy_difference, critic_difference   norm of the difference of the changes, through the norm of TRL's

TRL's critic learns from one more position, the padding after the end token, where it reads the reward again;
so the critics differ a little. TRL's batch is one micro-batch here: it takes means within each.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import ppo as bench

sys.path.insert(0, str(bench.ROOT))


def learn_with_trl(world: Path, out: Path, num_batches: int) -> None:
    """Leaves model/, value/ and completions.json, [[prompt tokens, completion tokens]]."""
    import trl.experimental.ppo as trl_ppo
    from trl.experimental.ppo import ppo_trainer

    write, trainer_class, config_class = (
        ppo_trainer.batch_generation,
        trl_ppo.PPOTrainer,
        trl_ppo.PPOConfig,
    )
    rows, critics = [], []

    def recorded(policy, queries, *arguments):
        written, logits = write(policy, queries, *arguments)
        for row in written.tolist():
            prompt, completion = row[: queries.shape[1]], row[queries.shape[1] :]
            end = completion.index(1) + 1 if 1 in completion else len(completion)
            rows.append([[token for token in prompt if token], completion[:end]])
        return written, logits

    def with_critic(*arguments, **named):
        critics.append(arguments[6])
        return trainer_class(*arguments, **named)

    def in_one_part(**settings):
        size = bench.SETTINGS["batch_size"]
        parts = {"per_device_train_batch_size": size, "gradient_accumulation_steps": 1}
        return config_class(**settings | parts)

    ppo_trainer.batch_generation = recorded
    trl_ppo.PPOTrainer, trl_ppo.PPOConfig = with_critic, in_one_part
    bench.prepare_trl(world, out, seed=0, num_batches=num_batches)()
    critics[0].save_pretrained(out / "value")
    (out / "completions.json").write_text(json.dumps(rows))


def learn_with_ours(world: Path, out: Path, rows: list, num_batches: int) -> dict[str, dict]:
    """From those completions, batch after batch; the weights of policy and critic after it, by TRL's names."""
    from trainer import ppo, rollouts, run_dir
    from trainer.generation import Generated

    kept = {}
    load = ppo.load_models
    prompts = [rollouts.Prompt(str(at), [], prompt) for at, (prompt, _) in enumerate(rows)]
    made = [Generated(own, "stop" if own[-1] == 1 else "length") for _, own in rows]

    def loaded(*arguments):
        kept["models"] = load(*arguments)
        return kept["models"]

    ppo.load_models = loaded
    # the batch after the last, by which a run measures its end, is the first again
    ppo.in_shuffled_passes = lambda _, numbers, *rest: [prompts[number % len(rows)] for number in numbers]
    rollouts.write_completions = lambda config, models, policy, chosen, *rest: [
        made[int(prompt.id)] for prompt in chosen
    ]
    config = bench.config_of_ours("separate critic", world, out, 0, num_batches, precision="no")
    ppo.train(config, run_dir.start(out, "ppo", vars(config)))
    learner = kept["models"].learner
    critic = {f"model.{name}": weight for name, weight in learner.value_trunk.state_dict().items()}
    critic["score.weight"] = learner.value_head.weight.detach()
    return {"policy": learner.policy.state_dict(), "critic": critic}


def compare(before: dict, ours: dict, theirs: dict) -> tuple[float, float]:
    """(cosine, relative difference) of the changes of all weights."""
    import torch

    names = sorted(set(before) & set(theirs) & set(ours))
    own, other = (
        torch.cat([(after[name].double() - before[name].double()).flatten() for name in names])
        for after in (ours, theirs)
    )
    cosine = float(own @ other / own.norm() / other.norm())
    return cosine, float((own - other).norm() / other.norm())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, default=1)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        learn_with_trl(bench.world_of(), options.work, options.batches)
        return
    world = bench.world_of()
    from safetensors.torch import load_file

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        environment = {
            "PYTHONPATH": str(bench.ROOT),
            "HF_HUB_OFFLINE": "1",
            "TRL_EXPERIMENTAL_SILENCE": "1",
        }
        command = [bench.trl_python(), __file__, "--work", out / "trl", "--batches", str(options.batches)]
        subprocess.run(command, env=os.environ | environment, check=True, stdout=sys.stderr)
        rows = json.loads((out / "trl" / "completions.json").read_text())
        after = learn_with_ours(world, out / "ours", rows, options.batches)
        line = {"name": "ppo, the same completions", "episodes": len(rows)}
        for name, start, folder_of in (("policy", "policy", "model"), ("critic", "reward", "value")):
            before, theirs = (
                load_file(path / "model.safetensors") for path in (world / start, out / "trl" / folder_of)
            )
            cosine, difference = compare(before, after[name], theirs)
            line |= {f"{name}_cosine": round(cosine, 5), f"{name}_difference": round(difference, 5)}
        print(json.dumps(line))


if __name__ == "__main__":
    main()
