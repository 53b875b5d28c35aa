"""What a campaign may ask of those who rank and write beyond the plain form, and how it is stored and frozen."""

import csv
import io

import pytest

from annotate.campaigns.models import Campaign, Completion
from annotate.exchange.exporting import EXPORTS
from annotate.feedback.models import Comparison, Demonstration, Ranking, Suggestion
from annotate.snapshots.freezing import Frozen
from tests.annotate.moves import dialogue, ids_shown, leased, submit

pytestmark = pytest.mark.django_db


def first_error(answer) -> tuple[str, str]:
    assert answer.status_code == 400, answer.content
    error = answer.json()["errors"][0]
    return error["field"], error["code"]


def places(assignment: dict) -> list[int]:
    return [completion["id"] for completion in assignment["completions"]]


def test_an_admin_says_how_a_campaign_ranks_and_its_annotators_are_told(carol_client, alice_client, ranking):
    campaign = ranking(1)
    settings = {"is_rated_first": True, "criteria": ["helpful", "harmless", "helpful"], "own_answer": "off"}
    answer = carol_client.patch(f"/api/campaigns/{campaign.id}", settings, format="json")
    told = settings | {"criteria": ["helpful", "harmless"]}
    assert {name: answer.json()[name] for name in told} == told
    assert {name: leased(alice_client, campaign)["campaign"][name] for name in told} == told
    refused = carol_client.patch(f"/api/campaigns/{campaign.id}", {"own_answer": "maybe"}, format="json")
    assert first_error(refused)[0] == "own_answer"


def test_each_criterion_has_an_order_of_its_own_and_goes_into_the_snapshot(alice_client, ranking):
    campaign = ranking(1, num_completions=3, criteria=["helpful", "harmless"])
    assignment = leased(alice_client, campaign)
    a, b, c = places(assignment)
    orders = {"helpful": [[a], [b], [c]], "harmless": [[b, c], [], [a]]}
    assert submit(alice_client, assignment, tiers=[[a], [b, c]], criteria=orders).status_code == 201
    a, b, c = ids_shown(assignment)
    kept = {"helpful": [[a], [b], [c]], "harmless": [[b, c], [a]]}
    assert Ranking.objects.get().criteria == kept
    assert Comparison.objects.count() == 2  # of the overall order alone
    (row,) = Frozen([campaign], 0, 0.1).rankings()
    assert (row["criteria"], row["tiers"]) == (kept, [[a], [b, c]])
    assert next(iter(EXPORTS["k-wise"](campaign))).count('"criteria"') == 1


def test_a_criterion_that_was_asked_must_be_ordered_unless_all_are_bad(alice_client, ranking):
    campaign = ranking(2, criteria=["helpful"])
    assignment = leased(alice_client, campaign)
    a, b, *_others = places(assignment)
    for criteria, field, code in [
        ({}, "criteria.helpful", "too_few"),
        ({"helpful": [[a]]}, "criteria.helpful", "too_few"),
        ({"helpful": [[a], [a]]}, "criteria.helpful[1][0]", "twice"),
        ({"helpful": [[a], [10**9]]}, "criteria.helpful[1][0]", "unknown"),
        ({"helpful": [[a], [b]], "kind": [[a], [b]]}, "criteria.kind", "unknown"),
    ]:
        assert first_error(submit(alice_client, assignment, criteria=criteria)) == (field, code)
    assert submit(alice_client, assignment, tiers=[], all_bad=True).status_code == 201


def test_a_better_answer_is_a_completion_of_its_author_and_ranked_with_the_others(
    alice, alice_client, ranking
):
    campaign = ranking(1, num_completions=2, criteria=["helpful"])
    assignment = leased(alice_client, campaign)
    a, b = places(assignment)
    body = {"tiers": [[0], [a, b]], "criteria": {"helpful": [[a, 0], [b]]}, "own_answer": " My own words. "}
    assert submit(alice_client, assignment, **body).status_code == 201
    own = Completion.objects.get(author=alice.annotator)
    assert (own.text, own.prompt_id, own.policy_version) == (
        " My own words. ",
        assignment["prompt"]["id"],
        None,
    )
    ranking = Ranking.objects.get()
    a, b = ids_shown(assignment)
    assert (ranking.tiers, ranking.shown_order) == ([[own.id], [a, b]], [a, b])
    assert ranking.criteria == {"helpful": [[a, own.id], [b]]}
    assert set(Comparison.objects.values_list("chosen_id", "rejected_id")) == {(own.id, a), (own.id, b)}
    assert not Demonstration.objects.exists()
    (row,) = Frozen([campaign], 0, 0.1).rankings()
    written = {completion["id"]: completion["author"] for completion in row["completions"]}
    assert written == {a: None, b: None, own.id: str(alice.annotator.pseudonym)}


def test_all_may_be_bad_but_the_own_answer(alice, alice_client, ranking):
    assignment = leased(alice_client, ranking(1))
    body = {"tiers": [[0]], "all_bad": True, "own_answer": "Better."}
    assert submit(alice_client, assignment, **body).status_code == 201
    assert Ranking.objects.get().tiers == [[Completion.objects.get(author=alice.annotator).id]]


def test_where_the_campaign_says_so_the_better_answer_is_a_demonstration_too(alice, alice_client, ranking):
    campaign = ranking(1, own_answer="demonstration")
    assignment = leased(alice_client, campaign)
    key = "6d1f8a52-9d6b-4dd8-8d3c-3f0a5a3f9a11"
    body = {"tiers": [[0], [places(assignment)[0]]], "own_answer": "Better."}
    assert submit(alice_client, assignment, key=key, **body).status_code == 201
    assert submit(alice_client, assignment, key=key, **body).status_code == 200
    demonstration = Demonstration.objects.get()
    assert demonstration.messages == dialogue(assignment, "Better.")
    assert (demonstration.annotator, demonstration.is_surplus) == (alice.annotator, False)
    (row,) = Frozen([campaign], 0, 0.1).demonstrations()
    assert row["messages"][-1]["content"] == "Better."


def test_an_own_answer_that_is_not_there_or_not_asked_for_is_refused(alice_client, ranking):
    assignment = leased(alice_client, ranking(1, own_answer="off"))
    a, b, *_others = places(assignment)
    assert first_error(submit(alice_client, assignment, own_answer="Mine.")) == ("own_answer", "not_asked")
    named = submit(alice_client, assignment, tiers=[[0], [a], [b]], own_answer="  ")
    assert first_error(named) == ("tiers[0][0]", "unknown")
    assert not Completion.objects.exclude(author=None).exists()


def test_a_campaign_that_rates_first_wants_a_rating_of_each(alice_client, ranking):
    assignment = leased(alice_client, ranking(1, is_rated_first=True))
    ratings = [{"completion": id, "value": 4} for id in places(assignment)]
    assert first_error(submit(alice_client, assignment)) == ("ratings", "too_few")
    assert first_error(submit(alice_client, assignment, ratings=ratings[1:])) == ("ratings", "too_few")
    assert submit(alice_client, assignment, ratings=ratings).status_code == 201


def test_a_system_message_stands_before_the_prompt_where_the_campaign_wants_one(alice_client, writing):
    campaign = writing(1, has_system_message=True)
    assignment = leased(alice_client, campaign)
    said = [{"role": "system", "content": "You are a lighthouse keeper."}, *dialogue(assignment)]
    blank = [{"role": "system", "content": " "}, *said[1:]]
    assert first_error(submit(alice_client, assignment, messages=blank)) == ("messages[0].content", "blank")
    twice = [said[0], *said]
    assert first_error(submit(alice_client, assignment, messages=twice)) == ("messages", "prompt")
    assert submit(alice_client, assignment, messages=said).status_code == 201
    assert Demonstration.objects.get().messages == said


def test_elsewhere_a_system_message_is_refused(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    said = [{"role": "system", "content": "You are a lighthouse keeper."}, *dialogue(assignment)]
    assert first_error(submit(alice_client, assignment, messages=said)) == ("messages", "prompt")


def test_of_several_suggestions_parts_are_taken_and_each_keeps_its_distance(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    offered = [
        Suggestion.objects.create(assignment_id=assignment["id"], turn=1, text=text, seed=1)
        for text in ["Herons fish at dawn.", "They stand still. Then they strike.", "No."]
    ]
    message = {
        "role": "assistant",
        "content": "Herons fish at dawn. Then they strike.",
        "suggestion": offered[0].id,
        "parts": [{"suggestion": offered[1].id, "text": "Then they strike."}],
    }
    messages = [*assignment["prompt"]["messages"], message]
    assert submit(alice_client, assignment, messages=messages).status_code == 201
    rows = Suggestion.objects.order_by("id").values_list("outcome", "taken_text", "edit_distance")
    assert list(rows) == [
        ("edited", "", 18),  # so many characters came after it
        ("part", "Then they strike.", 21),  # so many came before it
        ("refused", "", None),
    ]
    [row] = csv.DictReader(io.StringIO("".join(EXPORTS["csv"](Campaign.objects.get()))))
    told = [row[name] for name in ("num_suggestions", "num_suggestions_used", "characters_changed")]
    assert told == ["3", "2", "18"]


def test_a_part_of_a_suggestion_that_was_not_offered_here_is_refused(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    messages = dialogue(assignment)
    messages[-1]["parts"] = [{"suggestion": 10**9, "text": "x"}]
    assert first_error(submit(alice_client, assignment, messages=messages))[0] == "messages[1].suggestion"


def test_pastes_are_kept_beside_the_demonstration_and_only_the_export_tells(alice_client, writing):
    campaign = writing(2)
    assignment = leased(alice_client, campaign)
    messages = dialogue(assignment)
    messages[-1]["pastes"] = [120, 7]
    answer = submit(alice_client, assignment, messages=messages)
    assert answer.status_code == 201 and "paste" not in answer.content.decode()
    submit(alice_client, leased(alice_client, campaign))
    first, second = Demonstration.objects.order_by("id")
    assert first.metadata == {"pastes": [{"turn": 1, "length": 120}, {"turn": 1, "length": 7}]}
    assert second.metadata == {}
    assert "pastes" not in str(list(Frozen([campaign], 0, 0.1).demonstrations()))
    rows = csv.DictReader(io.StringIO("".join(EXPORTS["csv"](campaign))))
    assert [(row["num_pastes"], row["pasted_characters"]) for row in rows] == [("2", "127"), ("0", "0")]


def test_a_prompt_of_three_hundred_turns_can_be_answered(alice_client, writing):
    campaign = writing(1)
    turns = [{"role": "user" if i % 2 == 0 else "assistant", "content": f"Turn {i}"} for i in range(301)]
    campaign.prompts.update(messages=turns)
    assignment = leased(alice_client, campaign)
    assert len(assignment["prompt"]["messages"]) == 301
    assert submit(alice_client, assignment).status_code == 201
