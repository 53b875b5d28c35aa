"""Weights cut over processes (FSDP2, torch's `fully_shard`): each holds a part of every weight that learns or not.

A part goes with its gradient and the optimizer's two moments of it. There are two ways to compute with cut weights:

- in step: a layer is gathered for its pass, forward and backward, and let go. Every process must make as many
  passes as every other (`in_step`), each of any size. So PPO learns.
- within `whole(...)`: a model is gathered once and stays until the block ends. Each process then makes passes of
  its own, as many as it likes. So PPO writes, where every completion has a length of its own.

In memory everything is a process's own part (`own_part`, `learning_weights` of ppo_saving.py); on disk everything is
whole (`gather`, `cut`), so a checkpoint does not depend on how many processes there are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed import get_rank, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor


def shard(accelerator: Accelerator, model: Any, layers: set[str]) -> None:
    """Cuts a model over all processes, in place: one group for each layer (classes by name), one for the rest.

    Weights stay as precise as they are and so do sums of gradients; in a bf16 run what is gathered is rounded.
    """
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    precision = MixedPrecisionPolicy()
    if accelerator.mixed_precision == "bf16":
        precision = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for module in [module for module in model.modules() if type(module).__name__ in layers]:
        fully_shard(module, mesh=mesh, mp_policy=precision)
    fully_shard(model, mesh=mesh, mp_policy=precision)


@contextlib.contextmanager
def whole(*models: nn.Module | None) -> Iterator[None]:
    """Within it every process holds these models whole; all have to begin and end it together.

    No gradients there, and no look at the parameters: those that a module shows are not the ones that learn.
    """
    groups = [
        (module, module is model)
        for model in models
        if model is not None
        for module in model.modules()
        if isinstance(module, FSDPModule)
    ]
    for module, _ in groups:
        module.set_reshard_after_forward(False, recurse=False)
        module.unshard()
    try:
        yield
    finally:
        for module, is_root in groups:
            module.reshard()
            # the backward pass begins with the root's group, so that stays between the two
            module.set_reshard_after_forward(not is_root, recurse=False)


def in_step(accelerator: Accelerator, groups: list[list[int]]) -> list[list[int]]:
    """The rows' groups, the largest halved until every process has as many; all need equally many rows."""
    counts: Any = accelerator.gather(torch.tensor([len(groups)], device=accelerator.device))
    groups = list(groups)
    while len(groups) < int(counts.max()):
        at = max(range(len(groups)), key=lambda i: len(groups[i]))
        half = len(groups[at]) // 2
        groups[at : at + 1] = [groups[at][:half], groups[at][half:]]
    return groups


# ---------------------------------------------------------------- parts and wholes


def own_part(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor; written to, the tensor changes."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def complete(tensor: Tensor) -> Tensor:
    """A cut tensor, or a sum of which each process holds a term, as a plain one; all have to ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gather(part: Tensor, like: Tensor) -> Tensor:
    """The whole of which each process has the part, cut as `like` is; all have to ask.

    On the CPU of the first process; the others, which write nothing, get an empty tensor.
    """
    if not isinstance(like, DTensor):
        return part
    tensor = complete(as_cut(part, like))
    return tensor.cpu() if get_rank() == 0 else tensor.new_empty(0)


def cut(tensor: Tensor, like: Tensor) -> Tensor:
    """A copy of this process's part of a whole tensor, as it has one of `like`; no talk among processes."""
    if not isinstance(like, DTensor):
        return tensor.clone()
    size = -(-len(tensor) // like.device_mesh.size())  # the last ones may hold less, or nothing
    return tensor[get_rank() * size :][:size].clone()


def as_cut(part: Tensor, like: DTensor) -> DTensor:
    """The cut tensor of a part, as `like` is one."""
    return DTensor.from_local(
        part.to(like.device),
        like.device_mesh,
        like.placements,
        run_check=False,
        shape=like.shape,
        stride=like.stride(),
    )


def gather_all(module: nn.Module, parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """`gather` of parts by the names of the module's parameters."""
    own = dict(module.named_parameters())
    return {name: gather(part, own[name]) for name, part in parts.items()}


def cut_all(module: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """`cut` of whole tensors by the names of the module's parameters; a name that it does not have stays as it is."""
    own = dict(module.named_parameters())
    return {name: cut(tensor, own.get(name, tensor)) for name, tensor in tensors.items()}


# ---------------------------------------------------------------- the optimizer


def gather_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Its state with whole tensors; all have to ask."""
    state = optimizer.state_dict()
    moments = {
        number: {name: gather(own_part(value), value) for name, value in of_weight.items()}
        for number, of_weight in state["state"].items()
    }
    return state | {"state": moments}


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Puts such a state into an optimizer whose weights may be cut otherwise, or not at all."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    moments = {
        number: {
            name: as_cut(cut(value, weight), weight)
            if isinstance(weight, DTensor) and value.shape == weight.shape
            else value.clone()
            for name, value in of_weight.items()
        }
        for number, weight in enumerate(weights)
        if (of_weight := state["state"].get(number)) is not None
    }
    optimizer.load_state_dict(state | {"state": moments})
