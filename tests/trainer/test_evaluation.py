"""The figures of an evaluation by hand, and a judge's verdicts."""

import pytest

from trainer.evaluation import (
    bootstrap_interval,
    by_group,
    distinct_share,
    diversity,
    groups_of_prompts,
    prompt_key,
    ranked_pairs,
    reward_accuracy,
    score_by_kl,
    summarize,
    terciles,
    win_share,
)
from trainer.judge import Pair, agreed, judge_figures, question, share_of_own


def test_a_tie_counts_half():
    assert [win_share(1.0, 0.0), win_share(0.0, 1.0), win_share(0.5, 0.5)] == [1.0, 0.0, 0.5]


def test_the_bootstrap_interval_is_that_of_the_binomial():
    """64 wins in 100: the normal interval is 0.64 +- 1.96 * sqrt(.64 * .36 / 100) = 0.546 .. 0.734."""
    low, high = bootstrap_interval([1.0] * 64 + [0.0] * 36, seed=0)
    assert low == pytest.approx(0.546, abs=0.015)
    assert high == pytest.approx(0.734, abs=0.015)
    assert bootstrap_interval([1.0] * 10, seed=0) == (1.0, 1.0)
    assert bootstrap_interval([1.0, 0.0, 1.0], seed=5) == bootstrap_interval([1.0, 0.0, 1.0], seed=5)


ROW = {
    "score": 1.0, "ref_score": 0.0, "kl": 2.0, "kl_k3": 1.0, "length": 4, "ref_length": 6,
    "finish_reason": "stop", "ref_finish_reason": "length",
}  # fmt: skip


def test_the_summary_is_the_mean_of_the_rows():
    tied = ROW | {"score": 0.0, "kl": 0.0, "finish_reason": "length"}
    metrics = summarize([ROW, tied], seed=0)
    assert (metrics["score"], metrics["ref_score"], metrics["win_rate"]) == (0.5, 0.0, 0.75)
    assert (metrics["score_gain"], metrics["score_gain_low"], metrics["score_gain_high"]) == (0.5, 0.0, 1.0)
    assert (metrics["kl"], metrics["length"], metrics["ref_length"]) == (1.0, 4.0, 6.0)
    assert (metrics["eos_share"], metrics["ref_eos_share"], metrics["num_prompts"]) == (0.5, 0.0, 2)


def test_reward_against_kl_is_told_in_equal_parts_of_the_prompts():
    rows = [ROW | {"kl": float(at), "score": -float(at)} for at in (3, 1, 0, 2, 5, 4, 7, 6, 9, 8, 10)]
    assert score_by_kl(rows) == [
        {"kl": 2.0, "score": -2.0, "ref_score": 0.0, "num_prompts": 5},
        {"kl": 7.5, "score": -7.5, "ref_score": 0.0, "num_prompts": 6},
    ]
    assert len(score_by_kl(rows[:3])) == 1


def test_distinct_n_by_hand_and_over_equally_many():
    assert distinct_share([[1, 2, 1, 2], [1]], 1, 99) == 2 / 5
    assert distinct_share([[1, 2, 1, 2], [1]], 2, 99) == 2 / 3  # 12, 21, 12
    assert distinct_share([[1, 2, 1, 2]], 1, 2) == 1.0
    assert distinct_share([[1]], 2, 99) == 0.0
    found = diversity([[1, 2]], [[1, 2, 1, 2, 1, 2]])
    assert found["distinct_1"] == found["ref_distinct_1"] == 1.0  # of two tokens each


def test_groups_are_terciles_and_names_that_enough_rows_have():
    assert terciles([1, 2, 3, 4, 5, 6]) == ["short"] * 2 + ["middle"] * 2 + ["long"] * 2
    assert terciles([7, 7, 7]) == ["long"] * 3
    counted = by_group(["de"] * 5 + ["en"] * 6 + ["fr"] * 4, lambda places: {"first": places[0]})
    assert counted == {"en": {"first": 5}, "de": {"first": 0}}
    rows = [
        ROW | {"language": language, "source": "x", "prompt_length": at, "score": won}
        for at, (language, won) in enumerate([("en", 1.0)] * 5 + [("de", -1.0)] * 5)
    ]
    found = groups_of_prompts(rows, seed=0)
    assert found["language"]["en"]["win_rate"] == 1.0
    assert found["language"]["de"] == {
        "num_prompts": 5, "score": -1.0, "win_rate": 0.0, "win_rate_low": 0.0, "win_rate_high": 0.0
    }  # fmt: skip
    assert found["source"]["x"]["win_rate"] == 0.5


def test_accuracy_by_group_shows_a_reward_model_that_knows_length_alone():
    ranking = {"prompt": "p", "language": "en", "source": "hh", "tiers": [0, 1, 1], "lengths": [5, 3, 9]}
    rankings = [ranking | {"scores": [5.0, 3.0, 9.0]} for _ in range(6)]  # its score is the length
    assert ranked_pairs([0, 1, 1]) == [(0, 1), (0, 2)]
    found = reward_accuracy(rankings, seed=0)
    assert (found["reward_accuracy"], found["num_rankings"], found["num_pairs"]) == (0.5, 6, 12)
    assert found["reward_accuracy_by"]["preferred_is"] == {
        "longer": {"num_pairs": 6, "accuracy": 1.0},
        "shorter": {"num_pairs": 6, "accuracy": 0.0},
    }
    assert found["reward_accuracy_by"]["language"]["en"]["accuracy"] == 0.5


def test_what_several_people_say_of_one_prompt_is_drawn_together():
    """Three judges who say the same of each prompt know no more than one."""
    rankings = [
        {"prompt": at, "language": "en", "source": "hh", "tiers": [0, 1], "lengths": [1, 2]}
        | {"scores": [1.0, 0.0] if at % 3 else [0.0, 1.0]}
        for at in range(60)
    ]
    one, three = reward_accuracy(rankings, seed=0), reward_accuracy(rankings * 3, seed=0)
    for name in ("reward_accuracy", "reward_accuracy_low", "reward_accuracy_high"):
        assert three[name] == pytest.approx(one[name])
    assert three["reward_accuracy_by"]["language"]["en"]["accuracy_low"] == pytest.approx(
        one["reward_accuracy_low"]
    )
    apart = reward_accuracy([row | {"prompt": at} for at, row in enumerate(rankings * 3)], seed=0)
    assert apart["reward_accuracy_low"] > one["reward_accuracy_low"] + 0.03


def test_a_ranking_finds_its_prompt_by_what_it_says():
    prompt = [{"role": "user", "content": "a", "extra": 1}]
    assert prompt_key(prompt) == prompt_key([{"content": "a", "role": "user"}])


# ---------------------------------------------------------------- the judge


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("The first is vague.\nVERDICT: SECOND", 0.0, 1.0),
        ("**Verdict:** first", 1.0, 0.0),
        ("VERDICT: FIRST, no wait.\nVERDICT: TIE", 0.5, 0.5),
        ("I would rather not say.", None, None),
        ("", None, None),
    ],
)
def test_a_verdict_is_read_from_the_end_and_turned_to_the_policys_side(text, first, second):
    assert (share_of_own(text, own_first=True), share_of_own(text, own_first=False)) == (first, second)


def test_only_a_preference_that_stands_in_both_orders_counts():
    assert [agreed([1.0, 1.0]), agreed([1.0, 0.0]), agreed([0.5, 1.0])] == [1.0, 0.5, 0.5]
    assert [agreed([0.0, None]), agreed([0.0])] == [None, 0.0]


def test_a_question_shows_both_answers_in_the_order_asked_for_and_takes_braces_as_they_are():
    pair = Pair("p", [{"role": "user", "content": "{x}"}], "own {0}", "ref {1}")
    for own_first in (True, False):
        system, user = (message["content"] for message in question("Be {fair}.", pair, own_first))
        assert "Be {fair}." in system and "USER: {x}" in user
        assert (user.index("own {0}") < user.index("ref {1}")) == own_first


def test_the_judges_figures_by_hand():
    """A win in both orders, one that turned with the order, a refusal; the reward model agrees with the first."""
    rows = [
        ROW | {"judge": 1.0, "judge_shares": [1.0, 1.0], "judge_orders": [True, False]},
        ROW | {"judge": 0.5, "judge_shares": [1.0, 0.0], "judge_orders": [True, False]},
        ROW | {"judge": None, "judge_shares": [None, 0.0], "judge_orders": [False, True]},
    ]
    figures = judge_figures(rows, seed=0)
    assert (figures["num_judged"], figures["num_judge_refusals"]) == (2, 1)
    assert (figures["judge_win_rate"], figures["judge_ties"], figures["judge_turned"]) == (0.75, 0.5, 0.5)
    assert figures["judge_first_share"] == 3 / 5  # first, second; first, first; second
    assert figures["judge_agreement"] == 1.0
    assert judge_figures(rows[2:], seed=0) == {"num_judged": 0, "num_judge_refusals": 1}
