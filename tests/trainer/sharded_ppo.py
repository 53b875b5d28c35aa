"""What each of two processes does that hold PPO's weights in parts; test_ppo_sharding.py starts them and looks.

    torchrun --nproc_per_node 2 -m tests.trainer.sharded_ppo FOLDER

FOLDER/runs.json has the arguments of two runs; what a process held is written beside it.
"""

import contextlib
import json
import os
import sys
from pathlib import Path

import torch
from torch.distributed.tensor import DTensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from tests.trainer.tiny_ppo import death_at, loaded, run_ppo
from trainer import run_dir
from trainer.sharding import in_step, own_part, whole


def num_bytes(tensors):
    return sum(own_part(tensor).numel() * tensor.element_size() for tensor in tensors)


def stop_after_one_step(arguments):
    if os.environ["RANK"] == "0":
        Path(arguments["run_dir"]).mkdir(exist_ok=True)
        run_dir.request_stop(arguments["run_dir"])
    return run_ppo(arguments)


def look_at_models(arguments):
    """Bytes that this process holds of the models that do not learn; what becomes of one within `whole`."""
    _, accelerator, models = loaded(arguments)
    assert accelerator.num_processes == 2
    frozen = [*models.ref_policy.parameters(), *models.reward_model.parameters()]
    seen = {"frozen": num_bytes(frozen), "whole_frozen": sum(p.numel() * p.element_size() for p in frozen)}
    with whole(models.ref_policy):
        assert not any(isinstance(p, DTensor) for p in models.ref_policy.parameters())
        if accelerator.is_main_process:  # it alone makes a pass, and nobody waits for anybody
            models.ref_policy(torch.tensor([[5]]))
    assert all(isinstance(p, DTensor) for p in models.ref_policy.parameters())
    groups = [[0, 1, 2, 4], [3]] if accelerator.is_main_process else [[2], [0], [4], [1], [3]]
    seen["groups"] = in_step(accelerator, groups)
    return seen


def main(folder):
    interrupted, left = json.loads((folder / "runs.json").read_text())
    seen = look_at_models(interrupted)

    def look_at_optimizer(optimizer, *_):
        weights = [p for group in optimizer.param_groups for p in group["params"]]
        seen["weights"] = num_bytes(weights)
        seen["gradients"] = num_bytes(p.grad for p in weights)
        seen["moments"] = num_bytes(
            value for state in optimizer.state.values() for name, value in state.items() if name != "step"
        )
        seen["whole_weights"] = sum(p.numel() * p.element_size() for p in weights)

    hook = register_optimizer_step_post_hook(look_at_optimizer)
    # asked to stop in the midst of the first batch, killed in the midst of the second, then to the end
    assert stop_after_one_step(interrupted) == 3
    with contextlib.suppress(KeyboardInterrupt), death_at(6, "interrupt", 1):
        run_ppo(interrupted)
        raise AssertionError("it was not interrupted")
    hook.remove()
    assert run_ppo(interrupted) == 0
    assert stop_after_one_step(left) == 3
    (folder / f"seen-{os.environ['RANK']}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
