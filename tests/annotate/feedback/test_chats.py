"""Chats: two answers from policies that nobody is told, a choice at each turn, kept as rankings; and what is refused."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.campaigns.models import CampaignPolicy, Completion, Prompt
from annotate.campaigns.services import NewPrompt, add_member, create_campaign
from annotate.exchange.exporting import trl_messages
from annotate.feedback.models import Assignment, Comparison, Demonstration, Ranking, Suggestion
from annotate.feedback.queue.units import queue_all_reviews, queue_prompts
from annotate.feedback.suggestions import draw_policies_of_side
from annotate.runs.models import PolicyVersion
from annotate.snapshots.freezing import Frozen
from tests.annotate.feedback.test_suggestions import events
from tests.annotate.moves import lease, leased

pytestmark = pytest.mark.django_db
OPENING = [{"role": "user", "content": "Question 0?"}]


@pytest.fixture
def talking(chatting, settings, model_server):
    """talking("polite", "repeats"): a campaign of chats with those models of the small server."""
    settings.MODEL_SERVER_URL = f"http://127.0.0.1:{model_server}/v1/"
    settings.MODEL_SERVER_TIMEOUT_SECONDS = 1.0

    def make(*models: str, **options):
        campaign = chatting(1, **options)
        for model in models:
            name = f"secret {model} {PolicyVersion.objects.count()}"
            version = PolicyVersion.objects.create(name=name, path=model)
            CampaignPolicy.objects.create(campaign=campaign, policy_version=version)
        return campaign

    return make


def ask(client, assignment: dict, messages: list[dict], pair: int = 1, side: int = 0, **changes):
    body = {"turn": len(messages), "messages": messages, "pair": pair, "side": side} | changes
    return client.post(f"/api/assignments/{assignment['id']}/suggestions", body, format="json")


def answers_to(client, assignment: dict, messages: list[dict], pair: int = 1, num: int = 2) -> list[dict]:
    """What is answered, side by side, as a submission names it."""
    seen = []
    for side in range(num):
        said = events(ask(client, assignment, messages, pair, side))
        assert said[-1][0] == "end", said
        seen.append({"suggestion": said[-1][1]["id"], "text": said[-1][1]["text"]})
    return seen


def hand_in(client, assignment: dict, *turns: dict, **envelope):
    body = {"submission_key": str(uuid.uuid4()), "seconds_spent": 9, "turns": list(turns)} | envelope
    return client.post(f"/api/assignments/{assignment['id']}/submit", body, format="json")


def turn(answers: list[dict], chosen: int = 0, *, content: str = "", **more) -> dict:
    return {"content": content, "answers": answers, "chosen": answers[chosen]["suggestion"], **more}


def after(messages: list[dict], answer: str, question: str) -> list[dict]:
    more = [{"role": "assistant", "content": answer}, {"role": "user", "content": question}]
    return [*messages, *more]


def test_a_dialogue_of_two_turns_is_kept_with_its_choices(talking, ranking, alice_client):
    later = ranking(0)
    campaign = talking("polite", "repeats", ranking_campaign=later, own_answer="demonstration")
    assignment = leased(alice_client, campaign)
    assert assignment["can_suggest"] is True
    refused = answers_to(alice_client, assignment, OPENING, pair=7)
    first = answers_to(alice_client, assignment, OPENING, pair=8)
    asked = after(OPENING, first[1]["text"], "And then?")
    second = answers_to(alice_client, assignment, asked, pair=9)
    turns = [
        turn(first, 1, strength=3),
        turn(second, 0, content="And then?", strength=None, edited="Then it sleeps."),
    ]
    key = str(uuid.uuid4())
    answer = hand_in(alice_client, assignment, *turns, submission_key=key)
    assert answer.status_code == 201, answer.content
    assert answer.json()["kind"] == "chat"
    assert hand_in(alice_client, assignment, *turns, submission_key=key).status_code == 200  # the same again

    dialogue = Demonstration.objects.get(assignment=assignment["id"])
    assert dialogue.messages == [*asked, {"role": "assistant", "content": "Then it sleeps."}]
    choice, tie, edit = Ranking.objects.filter(campaign=campaign).order_by("external_id")
    texts = dict(Completion.objects.values_list("pk", "text"))
    assert [[texts[pk] for pk in tier] for tier in choice.tiers] == [[first[1]["text"]], [first[0]["text"]]]
    assert [texts[pk] for pk in choice.shown_order] == [seen["text"] for seen in first]
    assert (choice.prompt.messages, choice.strength) == (OPENING, 3)
    assert (tie.prompt.messages, tie.strength, len(tie.tiers), len(tie.tiers[0])) == (asked, None, 1, 2)
    assert [[texts[pk] for pk in tier] for tier in edit.tiers] == [["Then it sleeps."], [second[0]["text"]]]
    margins = Comparison.objects.filter(campaign=campaign).order_by("margin").values_list("margin", flat=True)
    assert list(margins) == [1, 3]
    paths = {row.text: row.policy_version.path for row in Completion.objects.exclude(policy_version=None)}
    assert paths["The heron fishes — à l’aube."] == "polite"
    assert Completion.objects.get(text="Then it sleeps.").author == dialogue.annotator
    written = Demonstration.objects.get(campaign=campaign, source="own_answer")
    assert written.messages == dialogue.messages
    outcomes = dict(Suggestion.objects.values_list("pk", "outcome"))
    assert [outcomes[seen["suggestion"]] for seen in [*refused, *first, *second]] == [
        "refused", "refused", "refused", "taken", "edited", "refused",
    ]  # fmt: skip
    # One turn, and no more, waits to be ranked elsewhere.
    assert Prompt.objects.get(campaign=later).messages in (OPENING, asked)
    # What a snapshot takes: the choices and the edited answer, not the dialogue itself.
    frozen = Frozen([campaign], 0, 0.0)
    assert [row["strength"] for row in frozen.rankings()] == [3, None, None]
    assert [row["messages"][-1]["content"] for row in frozen.demonstrations()] == ["Then it sleeps."]
    assert [row["messages"][-1]["content"] for row in trl_messages(campaign)] == ["Then it sleeps."]
    assert frozen.left_out["dialogues with a policy; their choices are among the rankings"] == 1


def test_between_two_answers_that_say_the_same_there_is_no_choice(talking, alice_client):
    campaign = talking("polite")
    assignment = leased(alice_client, campaign)
    same = answers_to(alice_client, assignment, OPENING)
    assert same[0]["text"] == same[1]["text"]
    assert hand_in(alice_client, assignment, turn(same, 0, strength=2)).status_code == 201
    assert not Ranking.objects.exists() and not Comparison.objects.exists()


def test_nothing_tells_which_policy_answered(talking, alice_client):
    assignment = leased(alice_client, talking("polite", "repeats"))
    answers_to(alice_client, assignment, OPENING)
    shown = alice_client.get(f"/api/assignments/{assignment['id']}").json()
    assert len(shown["suggestions"]) == 2 and "secret" not in str(shown)
    assert set(shown["suggestions"][0]) == {"id", "turn", "pair", "side", "text", "outcome", "is_complete"}


def test_two_answers_come_from_two_policies_and_their_sides_are_drawn(talking, alice_client):
    campaign = talking("polite", "repeats")
    CampaignPolicy.objects.filter(policy_version__path="polite").update(weight=1e6)
    work = Assignment.objects.get(id=leased(alice_client, campaign)["id"])
    left = 0
    for pair in range(1, 201):
        sides = [draw_policies_of_side(work, pair, side)[0].path for side in (0, 1)]
        assert set(sides) == {"polite", "repeats"}
        left += sides[0] == "polite"
    assert 70 < left < 130  # 100 expected, deviation 7: a heavier policy is not more often left


def test_a_choice_is_corrected_and_leaves_nothing_behind(talking, alice_client):
    campaign = talking("repeats")
    assignment = leased(alice_client, campaign)
    seen = answers_to(alice_client, assignment, OPENING)
    assert hand_in(alice_client, assignment, turn(seen, 0, strength=1, edited="Better.")).status_code == 201
    stands = alice_client.get(f"/api/assignments/{assignment['id']}").json()["submitted"]["content"]
    assert stands["turns"][0]["edited"] == "Better."
    answer = hand_in(alice_client, assignment, turn(seen, 1, strength=2), revises=1)
    assert answer.status_code == 201, answer.content
    corrected = Ranking.objects.get(campaign=campaign)
    assert (corrected.strength, corrected.prompt.completions.filter(source="chat").count()) == (2, 2)
    assert Comparison.objects.get(campaign=campaign).margin == 2
    assert Demonstration.objects.get(campaign=campaign).revision == 2


def test_an_answer_that_was_stopped_is_kept_as_far_as_it_was_seen(talking, alice_client):
    campaign = talking("falls-silent", num_completions=1)
    assignment = leased(alice_client, campaign)
    said = events(ask(alice_client, assignment, OPENING))
    assert said[-1][0] == "error"
    seen = [{"suggestion": said[0][1]["id"], "text": "The heron "}]
    odd = [{**seen[0], "text": "A heron"}]
    assert hand_in(alice_client, assignment, turn(odd)).status_code == 400
    answer = hand_in(alice_client, assignment, turn(seen, edited="The heron fishes."))
    assert answer.status_code == 201, answer.content
    texts = set(Completion.objects.filter(prompt__campaign=campaign).values_list("text", flat=True))
    assert texts == {"The heron ", "The heron fishes."}


def test_what_was_not_offered_or_not_chosen_is_refused_with_its_field(talking, alice_client):
    assignment = leased(alice_client, talking("polite", own_answer="off"))
    seen = answers_to(alice_client, assignment, OPENING, pair=1)
    other = answers_to(alice_client, assignment, OPENING, pair=2)
    wrong = {"suggestion": 10**6, "text": "x"}
    tampered = {**seen[0], "text": "I am better."}
    again = turn(seen, content="And?")
    for field, turns in [
        ("turns", []),
        ("turns[0].answers", [{"content": "", "answers": [], "chosen": 1}]),
        ("turns[0].answers[0].suggestion", [turn([wrong])]),
        ("turns[0].answers[0].text", [turn([tampered])]),
        ("turns[0].answers[1].suggestion", [turn([seen[0], other[1]])]),  # never stood beside each other
        ("turns[0].chosen", [{"content": "", "answers": seen, "chosen": other[0]["suggestion"]}]),
        ("turns[0].strength", [turn(seen, strength=4)]),
        ("turns[0].strength", [turn(seen[:1], strength=1)]),
        ("turns[0].content", [turn(seen, content="Question 0?")]),
        ("turns[0].edited", [turn(seen, edited="Mine.")]),
        ("turns[1].content", [turn(seen), turn(other)]),
        ("turns[1].answers[0].suggestion", [turn(seen), again]),
        ("turns[1].answers[0].suggestion", [turn(seen), turn(other, content="And?")]),  # to other words
    ]:
        answer = hand_in(alice_client, assignment, *turns)
        assert answer.status_code == 400, (field, answer.content)
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Demonstration.objects.exists() and not Ranking.objects.exists()


def test_an_answer_is_asked_for_with_the_whole_dialogue(talking, alice_client):
    assignment = leased(alice_client, talking("polite"))
    odd = [{"role": "user", "content": "Another question?"}]
    answered = [*OPENING, {"role": "assistant", "content": "So."}]
    for field, answer in {
        "messages": ask(alice_client, assignment, odd),
        "messages ": ask(alice_client, assignment, answered),
        "pair": ask(alice_client, assignment, OPENING, pair=None),
        "side": ask(alice_client, assignment, OPENING, side=2),
        "turn": ask(alice_client, assignment, OPENING, turn=3),
    }.items():
        assert answer.status_code == 400, answer.content
        assert [error["field"] for error in answer.json()["errors"]] == [field.strip()]
    assert not Suggestion.objects.exists()


def test_a_policy_that_is_gone_is_told(talking, alice_client):
    campaign = talking("polite")
    assignment = leased(alice_client, campaign)
    CampaignPolicy.objects.filter(campaign=campaign).delete()
    answer = ask(alice_client, assignment, OPENING)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "no_policy")


def test_a_brief_is_for_the_person_who_speaks_first(talking, alice_client):
    campaign = talking("polite", num_completions=1)
    assert lease(alice_client, campaign)["assignment"]
    queue_prompts(campaign, [NewPrompt(brief="Ask about herons.")])
    campaign.units.exclude(prompt__brief="Ask about herons.").delete()
    assignment = leased(alice_client, campaign)
    asked = [{"role": "user", "content": "Do herons fish?"}]
    seen = answers_to(alice_client, assignment, asked, num=1)
    assert hand_in(alice_client, assignment, turn(seen)).status_code == 400  # who asked?
    assert hand_in(alice_client, assignment, turn(seen, content="Do herons fish?")).status_code == 201
    assert not Ranking.objects.exists()  # one answer, taken as it was, is no choice


def test_a_chat_is_returned_submitted_again_and_mended_and_its_choices_fare_as_it_does(
    talking, alice_client, bob, bob_client
):
    campaign = talking("polite", "repeats", own_answer="demonstration")
    of_it = create_campaign(name="of it", kind="review", reviewed_campaign=campaign)
    add_member(of_it, bob)
    given = leased(alice_client, campaign)
    seen = answers_to(alice_client, given, OPENING)
    assert hand_in(alice_client, given, turn(seen, 0, strength=2)).status_code == 201
    queue_all_reviews()

    def review(verdict: str, **more):
        work = leased(bob_client, of_it)
        body = {"submission_key": str(uuid.uuid4()), "verdict": verdict} | more
        body["reviewed_revision"] = work["reviewed"]["revision"]
        answer = bob_client.post(f"/api/assignments/{work['id']}/submit", body, format="json")
        return work, answer

    work, answer = review("returned", comment="Look again.")
    assert answer.status_code == 201, answer.content
    assert work["reviewed"]["content"] == {"turns": [turn(seen, 0, strength=2)]}
    frozen = Frozen([campaign], 0, 0.0)
    assert list(frozen.rankings()) == []
    assert frozen.left_out["rankings returned by a reviewer"] == 1

    again = hand_in(alice_client, given, turn(seen, 0, strength=1, edited="It dives."), revises=1)
    assert again.status_code == 201, again.content
    assert len(list(Frozen([campaign], 0, 0.0).rankings())) == 2

    unknown = {"turns": [turn([{"suggestion": 10**9, "text": "x"}])]}
    assert review("corrected", content=unknown)[1].status_code == 400
    mended = {"turns": [turn(seen, 1, strength=3, edited="It waits.")]}
    assert review("corrected", content=mended)[1].status_code == 201
    dialogue = Demonstration.objects.get(assignment=given["id"])
    assert (dialogue.revision, dialogue.review_state) == (3, "corrected")
    assert dialogue.messages[-1]["content"] == "It waits."
    choice, edit = Ranking.objects.filter(campaign=campaign).order_by("external_id")
    assert (choice.strength, choice.review_state, edit.review_state) == (3, "corrected", "corrected")
    assert {choice.annotator, edit.annotator} == {dialogue.annotator}  # still its author's
    written = Demonstration.objects.get(campaign=campaign, source="own_answer")
    assert (written.messages[-1]["content"], written.review_state) == ("It waits.", "corrected")
    late = hand_in(alice_client, given, turn(seen, 0), revises=3)
    assert late.status_code == 409


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("num_completions", {"num_completions": 3}),
        ("is_rated_first", {"is_rated_first": True}),
        ("criteria", {"criteria": ["helpful"]}),
        ("ranking_campaign", {"ranking_campaign": "of chats"}),
        ("ranking_campaign", {"kind": "ranking", "ranking_campaign": "of chats"}),
        ("reviewed_campaign", {"reviewed_campaign": "of chats"}),
    ],
)
def test_what_does_not_fit_a_campaign_of_chats_is_refused(carol_client, field, change):
    made = create_campaign(name="of chats", kind="chat")
    assert made.num_completions == 2
    body = {"name": "New", "kind": "chat"} | change
    body = {name: made.pk if value == "of chats" else value for name, value in body.items()}
    answer = carol_client.post("/api/campaigns", body, format="json")
    assert answer.status_code == 400, answer.content
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_long_dialogue_costs_as_many_queries_as_a_short_one(talking, alice_client):
    counted = []
    for num_turns in (2, 6):
        campaign = talking("repeats", name=f"of {num_turns}")
        assignment = leased(alice_client, campaign)
        messages, turns = OPENING, []
        for number in range(num_turns):
            seen = answers_to(alice_client, assignment, messages, pair=number + 1)
            content = messages[-1]["content"] if number else ""
            turns.append(turn(seen, 0, content=content, strength=1, edited=f"Better {number}."))
            messages = after(messages, f"Better {number}.", f"And {number}?")
        with CaptureQueriesContext(connection) as queries:
            assert hand_in(alice_client, assignment, *turns).status_code == 201
        counted.append(len(queries))
    assert counted[0] == counted[1]
    assert Ranking.objects.count() == 16
