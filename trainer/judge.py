"""A language model that judges two answers, behind an OpenAI-compatible address (Zheng et al. 2023, MT-Bench).

Judges prefer what they are shown first, so each pair is shown in both orders, and only a preference that stands
in both counts; one that turns with the order is a tie (section 3.4 there). Asked once, the side is drawn by the
seed. An answer without a verdict is a refusal: counted, and in no rate.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trainer.evaluation import with_interval
from trainer.model_server import MAX_SEED, ModelServer, Request

GUIDELINES = (
    "Judge how well each answer does what the person asked for: helpful, true, and harmless. Length, order and "
    "formatting are no merits of their own."
)
INSTRUCTIONS = (
    "You compare two answers to the same conversation.\n\n{guidelines}\n\n"
    "Say in a sentence or two what sets them apart. Then write, on a line of its own, exactly one of\n"
    "VERDICT: FIRST\nVERDICT: SECOND\nVERDICT: TIE"
)
QUESTION = (
    "The conversation:\n\n{conversation}\n\n--- The first answer ---\n{first}\n\n--- The second answer ---\n{second}\n\n"
    "Which answer is better?"
)
VERDICT = re.compile(r"VERDICT\W{0,6}(FIRST|SECOND|TIE)\b", re.IGNORECASE)
SHARE_OF_FIRST = {"FIRST": 1.0, "SECOND": 0.0, "TIE": 0.5}


@dataclass(frozen=True)
class Pair:
    """The policy's and the reference's answer to one prompt."""

    prompt_id: Any
    prompt: list[dict[str, str]]
    own: str
    ref: str


def question(guidelines: str, pair: Pair, own_first: bool) -> list[dict[str, str]]:
    conversation = "\n\n".join(f"{m['role'].upper()}: {m['content']}" for m in pair.prompt)
    first, second = (pair.own, pair.ref) if own_first else (pair.ref, pair.own)
    return [
        {"role": "system", "content": INSTRUCTIONS.format(guidelines=guidelines)},
        {
            "role": "user",
            "content": QUESTION.format(conversation=conversation, first=first, second=second),
        },
    ]


def share_of_own(text: str, own_first: bool) -> float | None:
    """1 where the last verdict in the text is for the policy, 0 for the reference, 0.5 a tie; None without one."""
    found = VERDICT.findall(text)
    if not found:
        return None
    share = SHARE_OF_FIRST[found[-1].upper()]
    return share if own_first else 1 - share


def agreed(shares: Sequence[float | None]) -> float | None:
    """The verdict of one order, or of both: what they agree on, a tie where they do not."""
    given = [share for share in shares if share is not None]
    if len(given) < len(shares):
        return None
    return given[0] if len(set(given)) == 1 else 0.5


def judge_pairs(
    server: ModelServer,
    pairs: Sequence[Pair],
    guidelines: str,
    num_orders: int,
    seed: int,
    max_new_tokens: int,
) -> list[dict[str, Any]]:
    """{judge: 1, 0.5, 0 or None, judge_orders: [own_first], judge_texts: [...], judge_shares: [...]} of each pair."""
    orders = []
    for pair in pairs:
        own_first = random.Random(f"{seed} {pair.prompt_id}").random() < 0.5
        orders.append([own_first, not own_first][:num_orders])
    requests = [
        Request(question(guidelines, pair, own_first), seed % MAX_SEED, 0.0, 1.0, max_new_tokens)
        for pair, own in zip(pairs, orders, strict=True)
        for own_first in own
    ]
    answers = iter(server.answers(requests))
    found = []
    for own in orders:
        texts = [answer.text if answer else "" for answer in (next(answers) for _ in own)]
        shares = [share_of_own(text, own_first) for text, own_first in zip(texts, own, strict=True)]
        found.append(
            {"judge": agreed(shares), "judge_orders": own, "judge_shares": shares, "judge_texts": texts}
        )
    return found


def judge_figures(rows: Sequence[dict[str, Any]], seed: int) -> dict[str, float]:
    """Over rows with a verdict; how often it turned with the order, and the share that went to the first shown."""
    judged = [row for row in rows if row["judge"] is not None]
    shown_first = [
        share if own_first else 1 - share
        for row in rows
        for share, own_first in zip(row["judge_shares"], row["judge_orders"], strict=True)
        if share is not None
    ]
    figures: dict[str, float] = {
        "num_judged": len(judged),
        "num_judge_refusals": len(rows) - len(judged),
    }
    if judged:
        turned = sum(len(set(row["judge_shares"])) > 1 for row in judged)
        agreeing = [row for row in judged if row["judge"] != 0.5 and row["score"] != row["ref_score"]]
        figures |= {
            **with_interval("judge_win_rate", [row["judge"] for row in judged], seed),
            "judge_ties": sum(row["judge"] == 0.5 for row in judged) / len(judged),
            "judge_turned": turned / len(judged),
            "judge_first_share": sum(shown_first) / len(shown_first),
        }
        if agreeing:
            same = sum((row["judge"] > 0.5) == (row["score"] > row["ref_score"]) for row in agreeing)
            figures["judge_agreement"] = same / len(agreeing)
    return figures
