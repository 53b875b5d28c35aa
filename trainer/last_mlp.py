"""The last layer's MLP at the tokens alone whose states are read.

Above it nothing looks at another token, so what it would give elsewhere is thrown away. With 4 layers it is a
fifth of all work on such tokens: prompts in PPO, all but the scored tokens in reward training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@torch.no_grad()
def find_last_mlp(trunk: nn.Module, read: Callable[[nn.Module | None], Tensor]) -> nn.Module | None:
    """The trunk's last MLP, if what is read stays the same when it is run at the tokens alone that are; else None.

    `read` gives the states, with that module narrowed or (None) with the trunk as it is. Whether it changes
    nothing is tried out, since the module is told from its name.
    """
    named = [module for name, module in trunk.named_modules() if name.endswith(".mlp")]
    if not named:
        return None
    whole = read(None)
    try:
        narrow = read(named[-1])
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):
        return None
    return named[-1] if torch.allclose(narrow, whole, rtol=1e-3, atol=1e-4) else None


@contextmanager
def only_at(mlp: nn.Module | None, where: Tensor) -> Iterator[None]:
    """While it lasts, `mlp` is run at the flat positions `where` (N,) of its (R, T, d) input and gives 0 elsewhere.

    Without a module nothing changes. Activations that are computed again later are computed without it.
    """
    if mlp is None:
        yield
        return
    shapes: list[Any] = []

    def pick(module: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
        shapes.append(arguments[0].shape)
        return (arguments[0].flatten(0, 1)[where][None],)

    def put_back(module: nn.Module, arguments: tuple[Tensor], output: Tensor) -> Tensor:
        shape = shapes.pop()
        full = output.new_zeros(shape).flatten(0, 1)
        full[where] = output[0]
        return full.view(shape)

    hooks = [mlp.register_forward_pre_hook(pick), mlp.register_forward_hook(put_back)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
