"""The reward model in training: a trunk, one head or several, the numbers learned beside them, and their loss.

Every head is linear in the trunk's features, and so is every mean and mix of them: what is saved is always one
ordinary sequence-classification model with one linear `score`, which anything can load. The heads themselves
lie beside it (`score_heads.safetensors`), for uncertainty and for the single criteria.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from trainer.batches import cost_of_pass, cut_by_length, pad_right
from trainer.flops import num_multiplied
from trainer.jobs import is_out_of_memory
from trainer.last_mlp import find_last_mlp, only_at
from trainer.modeling import Messages, encode_messages, normalized, raw_scores
from trainer.reward_data import Completions, TargetIndex, TrunkShape, rows_inputs, tree_inputs
from trainer.reward_loss import (
    Preference,
    centred,
    judgement_losses,
    length_losses,
    mean_by,
    ranking_losses,
    thermometer_losses,
)

if TYPE_CHECKING:
    from trainer.reward import RewardConfig

log = logging.getLogger("trainer")


# ---------------------------------------------------------------- heads


class RewardHeads(nn.Module):
    """E heads for each of C criteria on the same features, and how the criteria mix into one score.

    Randomised priors (Osband, Aslanides and Cassirer 2018, algorithm 1; lemma 3 for linear models): each head
    of an ensemble is a learned part plus a random part that never learns. Weight decay pulls the learned part
    to zero, so where the rankings say nothing each head keeps its own opinion, and they disagree.
    mix: given weights (C,), or None to learn positive ones that sum to 1.
    """

    prior: Tensor
    given_mix: Tensor | None

    def __init__(
        self,
        width: int,
        num_heads: int,
        num_criteria: int,
        prior_scale: float,
        mix: list[float] | None,
        seed: int,
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)

        def draw() -> Tensor:  # N(0, 1/sqrt(d+1)), as one head starts (N+ details, section 3.2)
            drawn = torch.randn(num_heads, num_criteria, width, generator=generator)
            return drawn / math.sqrt(width + 1)

        self.weight = nn.Parameter(draw())
        self.register_buffer(
            "prior", prior_scale * draw() if num_heads > 1 else torch.zeros_like(self.weight)
        )
        self.mix_logits = nn.Parameter(torch.zeros(num_criteria), requires_grad=mix is None)
        self.register_buffer("given_mix", None if mix is None else torch.tensor(mix))

    def mix(self) -> Tensor:
        """(C,)"""
        return self.mix_logits.softmax(0) if self.given_mix is None else self.given_mix

    def directions(self) -> Tensor:
        """(E, C, d)"""
        return self.weight + self.prior

    def forward(self, features: Tensor) -> Tensor:
        """(..., d) to (..., 1): the ensemble's mean of the mixed criteria."""
        return (
            features @ torch.einsum("ecd,c->d", self.directions(), self.mix()).div(len(self.weight))[:, None]
        )


def use_heads(model: PreTrainedModel, config: RewardConfig, mix: dict[str, float] | None) -> None:
    """Replace the single head by an ensemble or by one head a criterion, where either was asked for."""
    names = list(mix or {})
    if config.ensemble_size == 1 and not names:
        return
    given = [(mix or {})[name] for name in names] if names else [1.0]
    width = model.get_submodule("score").in_features
    model.score = RewardHeads(  # type: ignore[assignment]
        int(width),  # type: ignore[arg-type]
        config.ensemble_size,
        max(1, len(names)),
        config.prior_scale,
        None if any(math.isnan(weight) for weight in given) else given,
        config.seed,
    )


def collapse_heads(model: PreTrainedModel) -> Tensor | None:
    """Put the one linear head that gives the same scores in their place; gives the heads (E, C, d), if any."""
    heads = model.score
    if not isinstance(heads, RewardHeads):
        return None
    directions, mix = heads.directions().detach(), heads.mix().detach()
    single = nn.Linear(directions.shape[-1], 1, bias=False, device=directions.device)
    with torch.no_grad():
        single.weight.copy_(torch.einsum("ecd,c->d", directions, mix)[None] / len(directions))
    model.score = single  # type: ignore[assignment]
    return directions


# ---------------------------------------------------------------- the loss of a batch


def last_states(model: PreTrainedModel, inputs: dict[str, Tensor], mlp: nn.Module | None = None) -> Tensor:
    """(N, d): the trunk's state at the last token of each completion; inputs of either layout.

    mlp: that of the last layer, to be run at these tokens alone (see last_mlp_of).
    """
    inputs = dict(inputs)
    ends = inputs.pop("ends")
    mask = inputs["attention_mask"]
    if mask.dtype == torch.bool and model.config._attn_implementation == "eager":  # it adds its mask
        lowest = torch.finfo(torch.float32).min
        inputs["attention_mask"] = torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, lowest)
    with only_at(mlp, ends[:, 0] * inputs["input_ids"].shape[1] + ends[:, 1]):
        states = model.base_model(**inputs, use_cache=False).last_hidden_state
    return states[ends[:, 0], ends[:, 1]]


@torch.no_grad()
def last_mlp_of(model: PreTrainedModel, encoded: Completions, pad_id: int) -> nn.Module | None:
    """The last layer's MLP, if the scores of these completions stay the same with it at the scored tokens alone."""
    model.eval()
    inputs = {name: value.to(model.device) for name, value in rows_inputs([encoded], pad_id).items()}
    return find_last_mlp(model.base_model, partial(last_states, model, inputs))


class RewardObjective(nn.Module):
    """A reward model with what its loss learns beside it (thresholds, tie parameter, annotators' flip rates)."""

    def __init__(
        self,
        model: PreTrainedModel,
        config: RewardConfig,
        index: TargetIndex,
        last_mlp: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.model, self.options, self.index = model, config, index
        self.last_mlp = (last_mlp,)  # in a tuple, so that it is no second part of this module
        self.trained_flops = 0.0  # by this process
        self.config = model.config  # what transformers.Trainer asks a model for
        self.activation_checkpointing_enable = model.activation_checkpointing_enable
        scalars = {}
        if config.ties != "drop" and not config.tie_parameter:
            scalars["tie"] = torch.zeros(())  # theta = 1 + e^0 = 2, or nu = e^0 = 1
        if config.learn_annotators:
            start = config.label_flip_rate or 0.1
            scalars["flip"] = torch.full((len(index.annotators),), math.log(2 * start / (1 - 2 * start)))
        if config.rating_coef:
            asked = (
                torch.arange(1, config.rating_levels) / config.rating_levels
            )  # as many above as a die would
            scalars["thresholds"] = torch.logit(asked).repeat(len(index.rated), 1)
        if config.judgement_coef:
            scalars["judgement"] = torch.zeros(())
        self.scalars = nn.ParameterDict({name: nn.Parameter(value) for name, value in scalars.items()})
        if config.length_coef:
            width = int(model.config.get_text_config().hidden_size)
            drawn = torch.randn(width, generator=torch.Generator().manual_seed(config.seed + 1))
            self.length_head = nn.Parameter(drawn / math.sqrt(width + 1))

    def preference(self, annotator: Tensor) -> Preference:
        config, tie, flip = self.options, None, None
        if config.ties != "drop":
            if config.tie_parameter:
                tie = torch.tensor(config.tie_parameter, device=annotator.device)
            else:
                tie = self.scalars["tie"].exp() + (1 if config.ties == "rao_kupper" else 0)
        if config.learn_annotators:
            flip = self.flip_rates()[annotator]
        elif config.label_flip_rate:
            flip = torch.tensor(config.label_flip_rate, device=annotator.device)
        return Preference(config.ties, tie, flip)

    def flip_rates(self) -> Tensor:
        """(annotators,) between 0 and 1/2."""
        return self.scalars["flip"].sigmoid() / 2

    def scores(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """((N, E) scores, (N, E, C) of the single criteria)."""
        heads: Any = self.model.score
        if not isinstance(heads, RewardHeads):
            single = heads(features)
            return single, single[:, :, None]
        every = torch.einsum("nd,ecd->nec", features, heads.directions())
        return every @ heads.mix(), every

    def forward(self, batch: dict[str, Tensor], scale: float) -> Tensor:
        """scale x (the sum over the batch's rankings of their losses)."""
        batch = dict(batch)
        names = ("input_ids", "attention_mask", "position_ids", "ends")
        inputs = {name: batch.pop(name) for name in names if name in batch}
        # each completion went forward once, and stands in every ranking of it
        features = last_states(self.model, inputs, self.last_mlp[0])[batch.pop("completion")]
        with torch.autocast(features.device.type, enabled=False):  # a difference of scores needs its digits
            losses, extra = self.losses(features.float(), batch)
        unused = sum(
            parameter.sum() * 0.0 for parameter in self.scalars.values()
        )  # DDP waits for each of them
        return scale * ((losses * batch["weights"]).mean(1).sum() + extra) + unused

    def losses(self, features: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """((R, E) of the rankings, and what the batch as a whole adds)."""
        config, ranking, num_rankings = self.options, batch["ranking"], len(batch["weights"])
        overall, every = self.scores(features)
        how = self.preference(batch["annotator"])
        judged, extra = overall, overall.new_zeros(())
        if config.length_coef:
            judged = overall + (features @ self.length_head)[:, None]
            extra = config.length_coef * num_rankings * self.length_loss(overall, judged - overall, batch)
        margins = self.margins(batch)
        losses = ranking_losses(
            judged, batch["places"], ranking, num_rankings, how, margins, batch["can_tie"]
        )
        if self.index.criteria:
            by_criterion = [
                ranking_losses(every[:, :, c], batch["criteria"][:, c], ranking, num_rankings, how)
                for c in range(len(self.index.criteria))
            ]
            losses = losses + torch.stack(by_criterion).mean(0)
        if config.rating_coef:
            losses = losses + config.rating_coef * self.rating_losses(overall, every, batch)
        if config.judgement_coef:
            at = (batch["judgements"] >= 0).nonzero()[:, 0]
            own = judgement_losses(overall[at], batch["judgements"][at], self.scalars["judgement"])
            losses = losses + config.judgement_coef * mean_by(own, ranking[at], num_rankings)
        return losses, extra

    def margins(self, batch: dict[str, Tensor]) -> Tensor | None:
        """(N, N): how much the first should win by; nothing where a rating is missing or contradicts the order."""
        config = self.options
        if config.margin == "tiers":
            return config.margin_scale * (batch["places"][None, :] - batch["places"][:, None])
        if config.margin == "ratings":
            rating = batch["ratings"][:, self.index.rated.index("overall")]
            return config.margin_scale * (rating[:, None] - rating[None, :]).nan_to_num(0.0).clamp(min=0.0)
        return None

    def rating_losses(self, overall: Tensor, every: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """(R, E): ratings of a criterion that has a head are for that head, all others for the score."""
        losses, group = [], []
        for column, name in enumerate(self.index.rated):
            at = (~batch["ratings"][:, column].isnan()).nonzero()[:, 0]
            levels = (batch["ratings"][at, column] * (self.options.rating_levels - 1)).round().long()
            own = name in self.index.criteria
            scores = every[at][:, :, self.index.criteria.index(name)] if own else overall[at]
            losses.append(thermometer_losses(scores, levels, self.scalars["thresholds"][column]))
            group.append(batch["ranking"][at])
        return mean_by(torch.cat(losses), torch.cat(group), len(batch["weights"]))

    def length_loss(self, overall: Tensor, length_scores: Tensor, batch: dict[str, Tensor]) -> Tensor:
        heads: Any = self.model.score
        if isinstance(heads, RewardHeads):
            quality = torch.einsum("ecd,c->d", heads.directions(), heads.mix())
        else:
            quality = heads.weight[0]
        ranking, num_rankings = batch["ranking"], len(batch["weights"])
        return length_losses(
            centred(overall, ranking, num_rankings),
            centred(length_scores, ranking, num_rankings),
            centred(batch["lengths"][:, None], ranking, num_rankings),
            torch.stack([quality, self.length_head]),
        )

    def learned(self) -> dict[str, Any]:
        """What the numbers beside the model came to, for people to read."""
        found: dict[str, Any] = {}
        if self.options.ties != "drop":
            device = next(self.parameters()).device
            parameter = self.preference(torch.zeros(1, dtype=torch.long, device=device)).tie_parameter
            assert parameter is not None
            found["tie_parameter"] = parameter.item()
        if "flip" in self.scalars:
            rates = self.flip_rates().tolist()
            found["annotator_flip_rates"] = {
                str(name): rates[at] for name, at in self.index.annotators.items()
            }
        if "thresholds" in self.scalars:
            found["rating_thresholds"] = dict(
                zip(self.index.rated, self.scalars["thresholds"].tolist(), strict=True)
            )
        if "judgement" in self.scalars:
            found["judgement_bias"] = self.scalars["judgement"].item()
        if self.index.criteria and isinstance(self.model.score, RewardHeads):
            found["criteria"] = dict(zip(self.index.criteria, self.model.score.mix().tolist(), strict=True))
        return found


# ---------------------------------------------------------------- the tree layout


def trunk_shape(model: PreTrainedModel) -> TrunkShape:
    config = model.config.get_text_config()
    return TrunkShape(num_multiplied(model), int(config.num_hidden_layers), int(config.hidden_size))


@torch.no_grad()
def why_no_tree(model: PreTrainedModel, elements: Sequence[Completions], pad_id: int) -> str | None:
    """Why this model must read rows, or None.

    A sliding window is not in the tree's mask, so no completion with its prompt may be longer than it. The rest
    (ALiBi, recurrence, attention without a mask of its own) shows when the ranking with the longest
    row is read both ways.
    """
    config = model.config.get_text_config()
    longest = max(elements, key=lambda element: max(map(len, element.sequences)))
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    length = max(map(len, longest.sequences))
    if window and length > window:
        return f"its attention window of {window} tokens is shorter than the longest row ({length})"
    was_training = model.training
    model.eval()
    inputs = {name: value.to(model.device) for name, value in tree_inputs([longest], pad_id).items()}
    try:
        tree = model.score(last_states(model, inputs))[:, 0].float().cpu()  # type: ignore[operator]
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        if is_out_of_memory(error):
            raise
        return f"it does not take positions and a mask ({type(error).__name__})"
    finally:
        model.train(was_training)
    rows = raw_scores(model.eval(), longest.sequences, pad_id)
    model.train(was_training)
    difference = float((tree - rows).abs().max())
    if not difference <= 1e-3 * float(1 + rows.abs().max()):
        return f"its scores differ by {difference:.2g} between the layouts"
    return None


# ---------------------------------------------------------------- a finished model's heads


@torch.inference_mode()
def score_parts(
    reward_model: PreTrainedModel, sequences: Sequence[Sequence[int]], pad_id: int, max_tokens: int = 8192
) -> Tensor:
    """(sequences, E, C) raw scores of the single heads, float32 on the CPU; (sequences, 1, 1) of a plain model."""
    heads: Any = reward_model.score_heads
    if heads is None:
        return raw_scores(reward_model, sequences, pad_id, max_tokens)[:, None, None]
    parts = torch.empty(len(sequences), *heads.shape[:2])
    lengths = [len(sequence) for sequence in sequences]
    for batch in cut_by_length(lengths, max_tokens, cost_of_pass(reward_model.device)):
        inputs = pad_right([sequences[i] for i in batch], pad_id, reward_model.device)
        states = reward_model.base_model(**inputs, use_cache=False).last_hidden_state
        last = inputs["attention_mask"].sum(1) - 1
        features = states[torch.arange(len(batch), device=last.device), last].float().cpu()
        parts[batch] = torch.einsum("nd,ecd->nec", features, heads)
    return parts


def score_with_uncertainty(
    reward_model: PreTrainedModel,
    tokenizer: Any,
    conversations: Sequence[Messages],
    max_tokens: int = 8192,
) -> tuple[Tensor, Tensor]:
    """(mean, spread over the ensemble's heads) of normalised scores, each (conversations,).

    The mean is what `score` gives. A model without an ensemble has the spread 0: it does not know.
    """
    sequences = [encode_messages(tokenizer, messages)[0] for messages in conversations]
    parts = score_parts(reward_model, sequences, tokenizer.pad_token_id, max_tokens)
    mix = torch.tensor(list(reward_model.score_criteria.values()) or [1.0])  # type: ignore[operator, union-attr]
    by_head = normalized(reward_model, parts @ mix)
    return by_head.mean(1), by_head.std(1, correction=0)


def preference_probability(reward_model: PreTrainedModel, first: Tensor, second: Tensor) -> Tensor:
    """The calibrated probability that a person prefers the first, from two normalised scores of `score`."""
    std, temperature = float(reward_model.score_std), float(reward_model.score_temperature)  # type: ignore[arg-type]
    return torch.sigmoid((first - second) * std / temperature)
