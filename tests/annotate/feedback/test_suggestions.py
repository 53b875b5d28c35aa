"""Suggestions: streamed from a real server process, kept whatever happens, and never a broken page."""

import json
import time

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from annotate.campaigns.models import CampaignPolicy
from annotate.campaigns.services import NewPrompt
from annotate.feedback import suggestions
from annotate.feedback.models import Assignment, Suggestion
from annotate.feedback.queue.units import queue_prompts
from annotate.feedback.suggestions import Place, begin_suggestion, draw_policies, stream_suggestion
from annotate.runs.loop.promoting import promote_policy
from annotate.runs.models import ModelServer, PolicyVersion
from annotate.runs.serving import places_to_ask
from tests.annotate.moves import leased, submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def suggesting(writing, settings, model_server):
    """suggesting("model"): a demonstration campaign whose policy is that model of the small server."""
    settings.MODEL_SERVER_URL = f"http://127.0.0.1:{model_server}/v1/"
    settings.MODEL_SERVER_TIMEOUT_SECONDS = 1.0

    def make(*models: str, **options):
        campaign = writing(1, **options)
        for model in models:
            version = PolicyVersion.objects.create(
                name=f"{model} {PolicyVersion.objects.count()}", path=model
            )
            CampaignPolicy.objects.create(campaign=campaign, policy_version=version)
        return campaign

    return make


def suggest(client, assignment, **changes):
    body = {"turn": 1, "messages": assignment["prompt"]["messages"]} | changes
    return client.post(f"/api/assignments/{assignment['id']}/suggestions", body, format="json")


@async_to_sync
async def whole(stream) -> list[bytes]:
    return [part async for part in stream]


def events(answer) -> list[tuple[str, dict]]:
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/event-stream"
    blocks = b"".join(whole(answer.streaming_content)).decode().strip().split("\n\n")
    parts = [block.split("\n") for block in blocks]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in parts]


def test_a_suggestion_comes_token_by_token_and_is_kept(alice_client, suggesting):
    assignment = leased(alice_client, suggesting("polite", sampling={"temperature": 0.5}))
    assert assignment["can_suggest"] is True
    said = events(suggest(alice_client, assignment))
    kept = Suggestion.objects.get()
    assert said[0] == ("start", {"id": kept.id, "turn": 1})
    assert [name for name, _ in said[1:-1]] == ["token"] * 4
    whole = "".join(data["text"] for name, data in said if name == "token")
    assert said[-1] == ("end", {"id": kept.id, "text": whole, "finish_reason": "stop"})
    assert (kept.text, kept.is_complete, kept.outcome) == (whole, True, "offered")
    assert kept.policy_version.path == "polite"
    assert kept.sampling == {"temperature": 0.5, "top_p": 1.0, "max_new_tokens": 256}
    (shown,) = alice_client.get(f"/api/assignments/{assignment['id']}").json()["suggestions"]
    assert shown == {
        "id": kept.id, "turn": 1, "pair": None, "side": 0, "text": whole, "outcome": "offered", "is_complete": True,
    }  # fmt: skip


def test_the_server_is_asked_with_the_policys_path_the_campaigns_sampling_and_a_stored_seed(
    alice_client, suggesting
):
    sampling = {"temperature": 0.5, "top_p": 0.9, "max_new_tokens": 32}
    said = events(suggest(alice_client, leased(alice_client, suggesting("repeats", sampling=sampling))))
    assert json.loads(said[-1][1]["text"]) == {
        "model": "repeats", "messages": [{"role": "user", "content": "Question 0?"}], "stream": True,
        "temperature": 0.5, "top_p": 0.9, "max_tokens": 32, "seed": Suggestion.objects.get().seed,
    }  # fmt: skip


def test_seeds_differ_from_one_suggestion_to_the_next(alice_client, suggesting):
    assignment = leased(alice_client, suggesting("polite"))
    for _ in range(4):
        events(suggest(alice_client, assignment))
    assert len(set(Suggestion.objects.values_list("seed", flat=True))) == 4


@pytest.mark.parametrize(
    "model", ["refuses", "hangs", "talks-nonsense", "a-web-page", "falls-silent", "sends-numbers"]
)
def test_a_server_that_misbehaves_ends_in_an_error_event_with_a_sentence(alice_client, suggesting, model):
    said = events(suggest(alice_client, leased(alice_client, suggesting(model))))
    assert said[0][0] == "start"
    assert said[-1][0] == "error"
    assert said[-1][1]["detail"].startswith("The model server")
    assert Suggestion.objects.get().is_complete is False


def test_what_had_come_before_the_server_fell_silent_is_kept(alice_client, suggesting):
    events(suggest(alice_client, leased(alice_client, suggesting("falls-silent"))))
    assert Suggestion.objects.get().text == "The heron fishes — à l’aube."


def test_a_server_that_never_ends_is_stopped_and_what_had_come_is_kept(alice_client, suggesting):
    said = events(suggest(alice_client, leased(alice_client, suggesting("never-ends"))))
    assert said[-1][0] == "error" and "too long" in said[-1][1]["detail"]
    kept = Suggestion.objects.get()
    assert len(kept.text) == 200_000 and kept.is_complete is False


def test_a_server_that_goes_on_slowly_is_stopped_after_ten_waits(alice_client, suggesting, settings):
    settings.MODEL_SERVER_TIMEOUT_SECONDS = 0.3
    said = events(suggest(alice_client, leased(alice_client, suggesting("goes-on"))))
    assert said[-1][0] == "error" and "too long" in said[-1][1]["detail"]
    assert Suggestion.objects.get().text.startswith("word0 word1 ")


def test_a_server_that_is_not_there_is_said_so(alice_client, suggesting, settings):
    assignment = leased(alice_client, suggesting("polite"))
    settings.MODEL_SERVER_URL = "http://127.0.0.1:1/v1"
    said = events(suggest(alice_client, assignment))
    assert "cannot be reached" in said[-1][1]["detail"]


def test_text_that_cannot_be_stored_does_not_end_the_stream(alice_client, suggesting):
    said = events(suggest(alice_client, leased(alice_client, suggesting("nul"))))
    assert said[-1][1]["text"] == Suggestion.objects.get().text == "ab?"


@pytest.fixture
def endless(alice_client, suggesting):
    """A suggestion that has begun, and its stream."""
    assignment = leased(alice_client, suggesting("endless"))
    work = Assignment.objects.get(id=assignment["id"])
    policies = draw_policies(work.campaign)
    suggestion = begin_suggestion(work, 1, policies[0])
    places = places_to_ask(work.campaign, policies)
    return suggestion, stream_suggestion(suggestion, assignment["prompt"]["messages"], places, "en")


def test_what_was_offered_is_kept_when_the_reader_leaves(endless):
    suggestion, stream = endless

    @async_to_sync
    async def read_a_little():
        for _ in range(5):
            await anext(stream)
        await stream.aclose()  # what the web server does with the answer of somebody who left

    read_a_little()
    suggestion.refresh_from_db()
    assert suggestion.text == "word0 word1 word2 word3 "
    assert suggestion.is_complete is False


def test_what_was_offered_is_kept_while_it_still_streams(endless):
    suggestion, stream = endless

    @async_to_sync
    async def read_a_while():
        begun = time.monotonic()
        while time.monotonic() - begun < 1.5:
            await anext(stream)
        await suggestion.arefresh_from_db()
        await stream.aclose()

    read_a_while()
    assert len(suggestion.text) > 20


def test_a_person_has_two_suggestions_on_their_way_at_most(alice_client, bob_client, suggesting):
    campaign = suggesting("polite", overlap=2)
    assignment = leased(alice_client, campaign)
    first, second = suggest(alice_client, assignment), suggest(alice_client, assignment)
    refused = suggest(alice_client, assignment)
    assert refused.status_code == 429
    assert refused.json()["detail"].startswith("Two suggestions are on their way")
    other = suggest(bob_client, leased(bob_client, campaign))
    for answer in (other, first):
        assert events(answer)[-1][0] == "end"
    third = suggest(alice_client, assignment)
    assert events(third)[-1][0] == events(second)[-1][0] == "end"


def test_a_suggestion_whose_process_was_killed_counts_no_longer_than_the_model_server_is_waited_for(
    alice_client, suggesting
):
    assignment = leased(alice_client, suggesting("polite"))
    for _ in range(2):
        suggest(alice_client, assignment)  # never read, as if the process had ended
    assert suggest(alice_client, assignment).status_code == 429
    Suggestion.objects.update(streams_until=timezone.now())
    assert suggest(alice_client, assignment).status_code == 200


def test_a_client_that_asks_for_an_event_stream_gets_one_or_a_refusal_in_json(alice_client, suggesting):
    assignment = leased(alice_client, suggesting("polite"))
    address = f"/api/assignments/{assignment['id']}/suggestions"
    body = {"turn": 1, "messages": assignment["prompt"]["messages"]}
    answer = alice_client.post(address, body, format="json", HTTP_ACCEPT="text/event-stream")
    assert events(answer)[-1][0] == "end"
    refused = alice_client.post(address, {}, format="json", HTTP_ACCEPT="text/event-stream")
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/json")


def test_without_a_policy_there_is_nothing_to_ask(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    assert assignment["can_suggest"] is False
    answer = suggest(alice_client, assignment)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "no_policy")


def test_policies_are_drawn_by_weight(alice_client, suggesting):
    campaign = suggesting("polite", "never")
    CampaignPolicy.objects.filter(policy_version__path="never").update(weight=0)
    assignment = leased(alice_client, campaign)
    for _ in range(6):
        events(suggest(alice_client, assignment))
    assert set(Suggestion.objects.values_list("policy_version__path", flat=True)) == {"polite"}


def test_heavier_policies_are_asked_first_more_often(suggesting):
    campaign = suggesting("rare", "often")
    CampaignPolicy.objects.filter(policy_version__path="often").update(weight=9)
    first = [draw_policies(campaign)[0].path for _ in range(400)]
    assert 320 < first.count("often") < 390  # 360 expected, deviation 6


def test_a_policy_that_the_server_does_not_serve_is_passed_over_and_the_true_one_is_kept(
    alice_client, suggesting
):
    campaign = suggesting("polite", "not-served")
    CampaignPolicy.objects.filter(policy_version__path="not-served").update(weight=10**6)
    said = events(suggest(alice_client, leased(alice_client, campaign)))
    assert said[-1][0] == "end"
    assert Suggestion.objects.get().policy_version.path == "polite"


def test_when_none_of_the_policies_is_served_that_is_an_error(alice_client, suggesting):
    said = events(suggest(alice_client, leased(alice_client, suggesting("not-served", "not-served"))))
    assert said[-1][0] == "error"


def test_nothing_is_suggested_for_what_is_finished(alice_client, suggesting):
    assignment = leased(alice_client, suggesting("polite"))
    submit(alice_client, assignment)
    assert suggest(alice_client, assignment).status_code == 409


def refusal(answer) -> str:
    return answer.json()["errors"][0]["code"]


def test_a_policy_is_asked_for_the_assistants_turn_alone_and_about_this_prompt(alice_client, suggesting):
    assignment = leased(alice_client, suggesting("repeats", has_system_message=True))
    asked = assignment["prompt"]["messages"]
    answered = [*asked, {"role": "assistant", "content": "So."}]
    told = [{"role": "system", "content": "Be brief."}, *asked]
    again = [*answered, {"role": "user", "content": "And then?"}]
    for messages in (told, again):
        said = events(suggest(alice_client, assignment, messages=messages))
        assert json.loads(said[-1][1]["text"])["messages"] == messages
    other = [{"role": "user", "content": "What would you say to something else?"}]
    for messages, code in [([], "prompt"), (other, "prompt"), (answered, "role"), (told[:1], "prompt")]:
        answer = suggest(alice_client, assignment, messages=messages)
        assert (answer.status_code, refusal(answer)) == (400, code), messages


def test_from_a_brief_the_person_speaks_first_and_then_the_policy(alice_client, suggesting):
    campaign = suggesting("repeats")
    campaign.units.all().delete()
    queue_prompts(campaign, [NewPrompt(brief="Ask about herons.")])
    assignment = leased(alice_client, campaign)
    assert refusal(suggest(alice_client, assignment, turn=0, messages=[])) == "role"
    said = events(suggest(alice_client, assignment, messages=[{"role": "user", "content": "Herons?"}]))
    assert json.loads(said[-1][1]["text"])["messages"] == [{"role": "user", "content": "Herons?"}]


@pytest.mark.parametrize("kind", ["ranking", "comparing"])
def test_who_judges_cannot_ask_the_policy(request, alice_client, suggesting, kind):
    suggesting("polite")
    campaign = request.getfixturevalue(kind)(1)
    CampaignPolicy.objects.create(campaign=campaign, policy_version=PolicyVersion.objects.get())
    assignment = leased(alice_client, campaign)
    assert assignment["can_suggest"] is False
    answer = suggest(alice_client, assignment)
    assert (answer.status_code, refusal(answer)) == (409, "no_suggestions")
    assert not Suggestion.objects.exists()


def test_nor_through_another_campaign_while_answers_to_the_same_prompt_wait_for_them(
    alice_client, bob, suggesting, ranking
):
    campaign = suggesting("polite")
    judging = ranking(1)  # of the same question
    assignment = leased(alice_client, campaign)
    for judge in (lambda: None, lambda: leased(alice_client, judging)):  # it waits, then it is in hand
        judged = judge()
        assert alice_client.get(f"/api/assignments/{assignment['id']}").json()["can_suggest"] is False
        assert refusal(suggest(alice_client, assignment)) == "still_to_judge"
    assert submit(alice_client, judged).status_code == 201
    assert leased(alice_client, campaign)["can_suggest"] is True
    assert events(suggest(alice_client, assignment))[-1][0] == "end"


def test_the_policy_that_was_served_goes_on_answering_until_the_new_one_is(
    alice_client, suggesting, settings, model_server
):
    settings.MODEL_SERVER_URL = ""
    campaign = suggesting("old")
    old = PolicyVersion.objects.get()
    new = PolicyVersion.objects.create(name="new", path="new")
    url = f"http://127.0.0.1:{model_server}/v1"
    serving_old = ModelServer.objects.create(url=url, model_name="old", policy_version=old, state="ready")
    promote_policy(policy=new, campaigns=[campaign])
    gone = {"url": "http://127.0.0.1:9/v1", "model_name": "new", "policy_version": new}
    serving_new = ModelServer.objects.create(**gone, state="starting")
    assignment = leased(alice_client, campaign)
    assert events(suggest(alice_client, assignment))[-1][0] == "end"
    assert Suggestion.objects.get().policy_version == old  # which answered, and no other

    # The old one has ended, and the row does not say yet that the new one is ready.
    ModelServer.objects.filter(pk=serving_old.pk).update(url="http://127.0.0.1:9/v2")
    ModelServer.objects.filter(pk=serving_new.pk).update(url=url)
    assert events(suggest(alice_client, assignment))[-1][0] == "end"
    assert Suggestion.objects.latest("id").policy_version == new


def test_a_policy_that_the_campaign_never_had_does_not_answer_there(
    alice_client, suggesting, settings, model_server
):
    settings.MODEL_SERVER_URL = ""
    assignment = leased(alice_client, suggesting("own"))
    other = PolicyVersion.objects.create(name="other", path="other")
    url = f"http://127.0.0.1:{model_server}/v1"
    ModelServer.objects.create(url=url, model_name="other", policy_version=other, state="ready")
    said = events(suggest(alice_client, assignment))
    assert said[-1][0] == "error"
    assert "cannot be reached" in said[-1][1]["detail"]


def test_the_key_goes_to_the_server_that_it_was_given_with_alone(settings):
    settings.MODEL_SERVER_URL, settings.MODEL_SERVER_API_KEY = "http://given/v1/", "secret"
    assert suggestions._headers(Place(None, "http://given/v1", "m")) == {"Authorization": "Bearer secret"}
    assert suggestions._headers(Place(None, "http://other/v1", "m")) == {}
