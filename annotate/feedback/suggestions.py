"""Suggestions while a person writes: asked of an OpenAI-compatible server, passed on token by token, and kept."""

import json
import logging
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from httpx_sse import EventSource, SSEError, aconnect_sse

from annotate.accounts.models import Annotator
from annotate.api.errors import Conflict, TooMany
from annotate.campaigns.access import workers
from annotate.campaigns.models import Campaign, CampaignPolicy, default_sampling
from annotate.feedback.kinds.checks import refuse
from annotate.feedback.models import Assignment, Suggestion, Unit

log = logging.getLogger(__name__)
SAVE_EVERY_SECONDS = 1.0
MOST_AT_ONCE = 2  # of one person: a chat asks for two answers
MOST_CHARACTERS = 200_000  # as many as a message may have when it is handed in
LONGEST_WAITS = 10  # a suggestion ends after so many times the seconds that one token is waited for
_random = random.SystemRandom()


def policies_of(campaign: Campaign) -> QuerySet[CampaignPolicy]:
    """What the campaign samples from."""
    return campaign.policies.filter(weight__gt=0)


def is_still_to_judge(assignment: Assignment) -> bool:
    """Whether this person has answers to the same prompt before them, or still to come, in another campaign.

    They are not to ask a policy first that may have written some of them.
    """
    annotator = assignment.annotator_id
    finished = Assignment.objects.filter(
        unit=OuterRef("pk"),
        annotator=annotator,
        state__in=[Assignment.State.SUBMITTED, Assignment.State.SKIPPED],
    )
    begun = Assignment.objects.filter(unit=OuterRef("pk"), annotator=annotator)
    units = Unit.objects.filter(
        Q(open_slots__gt=0) | Exists(begun),
        ~Exists(finished),
        campaign__in=workers().filter(user__annotator=annotator).values("campaign"),
        campaign__kind__in=Campaign.JUDGING,
        prompt__key=assignment.unit.prompt.key,
    )
    return units.exists()


def can_suggest(assignment: Assignment) -> bool:
    campaign = assignment.campaign
    has_policy = campaign.kind in Campaign.WRITING and policies_of(campaign).exists()
    return has_policy and not is_still_to_judge(assignment)


def refuse_where_none_is_offered(assignment: Assignment, messages: Sequence[dict[str, str]]) -> None:
    """A policy answers people who write, about their own prompt, and after what a person says."""
    if assignment.state in (Assignment.State.SUBMITTED, Assignment.State.SKIPPED):
        raise Conflict(_("This one is finished; there is nothing left to suggest."), "ended")
    if assignment.campaign.kind not in Campaign.WRITING:
        raise Conflict(_("There are no suggestions in this kind of work."), "no_suggestions")
    if is_still_to_judge(assignment):
        judge_first = _("You are still to judge answers to this prompt: nothing is suggested before that.")
        raise Conflict(judge_first, "still_to_judge")
    opening = assignment.unit.prompt.messages
    said = [{"role": message["role"], "content": message["content"]} for message in messages]
    if (
        assignment.campaign.has_system_message
        and said
        and said[0]["role"] == "system"
        and said[:1] != opening[:1]
    ):
        said = said[1:]
    if said[: len(opening)] != opening:
        raise refuse(
            "messages", _("The dialogue must begin with the prompt's messages, unchanged."), "prompt"
        )
    if not said or said[-1]["role"] != "user":
        raise refuse("messages", _("The policy answers a person: the last message must be theirs."), "role")


def draw_policies(campaign: Campaign, draw: random.Random = _random) -> list[Any]:
    """The campaign's policy versions in the order to ask them, drawn by weight."""
    policies = list(policies_of(campaign).select_related("policy_version").order_by("id"))
    if not policies:
        raise Conflict(_("This campaign has no policy yet that could suggest something."), "no_policy")
    # Sorting by u^(1/weight) draws without replacement by weight (Efraimidis and Spirakis, 2006).
    policies.sort(key=lambda policy: draw.random() ** (1 / policy.weight), reverse=True)
    return [policy.policy_version for policy in policies]


def draw_policies_of_side(assignment: Assignment, pair: int, side: int) -> list[Any]:
    """The order in which to ask for one answer of a pair; the two begin with different policies where there are two.

    Both answers are asked for at once, in two requests: their draw is one because it is made from the pair's
    number. A coin decides which of the two stands left, so that a heavier policy is not more often there.
    """
    draw = random.Random(f"{settings.SECRET_KEY} {assignment.id} {pair}")
    drawn = draw_policies(assignment.campaign, draw)
    if assignment.campaign.num_completions == 2 and draw.random() < 0.5:
        side = 1 - side
    first = side % len(drawn)
    return [drawn[first], *drawn[:first], *drawn[first + 1 :]]


def begin_suggestion(assignment: Assignment, turn: int, policy_version: Any, **place: Any) -> Suggestion:
    """A stored, still empty suggestion. A person has few on their way at once, whichever process sends them."""
    with transaction.atomic():
        annotator = Annotator.objects.select_for_update(no_key=True).get(pk=assignment.annotator_id)
        on_their_way = Suggestion.objects.filter(
            assignment__annotator=annotator, streams_until__gt=timezone.now()
        )
        if on_their_way.count() >= MOST_AT_ONCE:
            reason = _("Two suggestions are on their way to you already. Wait for one to end, or stop it.")
            raise TooMany(reason, "too_many_streams")
        return Suggestion.objects.create(
            assignment=assignment,
            turn=turn,
            policy_version=policy_version,
            sampling=default_sampling() | assignment.campaign.sampling,
            seed=_random.randrange(2**31),
            streams_until=_silent_until(),
            **place,
        )


def _silent_until() -> datetime:
    """So long the model server may say nothing; a stream whose process was killed counts no longer than that."""
    return timezone.now() + timedelta(seconds=settings.MODEL_SERVER_TIMEOUT_SECONDS + 10)


@dataclass(frozen=True)
class Place:
    """Where a policy answers, and what it goes by there."""

    policy_version: Any
    url: str
    model_name: str


@dataclass
class Spoken:
    """What has come so far."""

    text: str = ""
    finish_reason: str = ""


class TooMuch(Exception):
    """The model server goes on and on."""


async def stream_suggestion(
    suggestion: Suggestion, messages: list[dict[str, str]], places: Sequence[Place], language: str
) -> AsyncGenerator[bytes, None]:
    """The server-sent events of one suggestion. What was offered is stored, also if the reader leaves.

    No thread waits for the model server. `language` is the request's: the stream goes on outside its thread.
    """
    spoken, saved_at = Spoken(), time.monotonic()
    yield _event("start", {"id": suggestion.id, "turn": suggestion.turn})
    try:
        async with aclosing(_tokens(suggestion, messages, places, spoken)) as tokens:
            async for token in tokens:
                yield _event("token", {"text": token})
                if time.monotonic() - saved_at > SAVE_EVERY_SECONDS:
                    await _keep(suggestion, spoken, _silent_until())
                    saved_at = time.monotonic()
        if not spoken.finish_reason:
            raise httpx.RemoteProtocolError("the stream ended without a finish reason")
        last = _event(
            "end", {"id": suggestion.id, "text": spoken.text, "finish_reason": spoken.finish_reason}
        )
    except (
        httpx.HTTPError,
        httpx.InvalidURL,
        SSEError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        TooMuch,
    ) as error:
        log.warning("suggestion %s: %s: %s", suggestion.id, type(error).__name__, error)
        with translation.override(language):
            last = _event("error", {"detail": _what_happened(error)})
    finally:  # also when the reader left in the middle
        await _keep(suggestion, spoken, streams_until=None)
    yield last


@sync_to_async
def _keep(suggestion: Suggestion, spoken: Spoken, streams_until: datetime | None) -> None:
    """In the one thread that all streams share: they never take those in which views run."""
    Suggestion.objects.filter(id=suggestion.id).update(
        text=spoken.text,
        is_complete=bool(spoken.finish_reason),
        policy_version=suggestion.policy_version,
        streams_until=streams_until,
    )


async def _tokens(
    suggestion: Suggestion, messages: list[dict[str, str]], places: Sequence[Place], spoken: Spoken
) -> AsyncGenerator[str, None]:
    """Ask one place after the other until one answers, and pass on each piece of text.

    A server serves some policies only and refuses the others; one that makes room for the next is gone. The policy
    that is kept is the one that answered. `n` and best-of are not used: `transformers serve` has none.
    """
    body = {
        "messages": messages,
        "stream": True,
        "seed": suggestion.seed,
        "temperature": suggestion.sampling["temperature"],
        "top_p": suggestion.sampling["top_p"],
        "max_tokens": suggestion.sampling["max_new_tokens"],
    }
    timeout = httpx.Timeout(settings.MODEL_SERVER_TIMEOUT_SECONDS, connect=5)
    refusal: httpx.HTTPError = httpx.ConnectError("no server answers for any of the campaign's policies")
    async with httpx.AsyncClient(timeout=timeout, trust_env=False) as client:
        for place in places:
            suggestion.policy_version = place.policy_version
            asked = {"model": place.model_name, **body}
            address, headers = f"{place.url}/chat/completions", _headers(place)
            try:
                async with aconnect_sse(client, "POST", address, json=asked, headers=headers) as source:
                    source.response.raise_for_status()
                    async with aclosing(_pieces(source, spoken)) as pieces:
                        async for piece in pieces:
                            yield piece
                    return
            except (httpx.HTTPStatusError, httpx.NetworkError, httpx.ConnectTimeout) as error:
                if spoken.text:
                    raise
                refusal = error
    raise refusal


def _headers(place: Place) -> dict[str, str]:
    """The key is for the server that was given with it, and for no other."""
    is_given = place.url == settings.MODEL_SERVER_URL.rstrip("/")
    key = settings.MODEL_SERVER_API_KEY
    return {"Authorization": f"Bearer {key}"} if is_given and key else {}


async def _pieces(source: EventSource, spoken: Spoken) -> AsyncGenerator[str, None]:
    ends_at = time.monotonic() + LONGEST_WAITS * settings.MODEL_SERVER_TIMEOUT_SECONDS
    async for event in source.aiter_sse():
        if event.data == "[DONE]":
            return
        choice = next(iter(json.loads(event.data)["choices"]), None)
        if choice is None:  # a closing line that only counts tokens
            continue
        if piece := (choice.get("delta") or {}).get("content"):
            # What PostgreSQL cannot keep must not end the stream.
            piece = piece.replace("\x00", "").encode("utf-8", "replace").decode()
            piece = piece[: MOST_CHARACTERS - len(spoken.text)]
            spoken.text += piece
            yield piece
        if len(spoken.text) >= MOST_CHARACTERS or time.monotonic() > ends_at:
            raise TooMuch(f"{len(spoken.text)} characters")
        spoken.finish_reason = choice.get("finish_reason") or spoken.finish_reason


def _what_happened(error: Exception) -> str:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return _("The model server cannot be reached just now. What you wrote is kept; try again in a while.")
    if isinstance(error, TooMuch):
        return _("The model server went on for too long and was stopped. What had come by then is kept.")
    if isinstance(error, httpx.TimeoutException):
        return _("The model server took too long to answer. What you wrote is kept; try again.")
    return _("The model server did not answer as it should. What you wrote is kept; try again.")


def _event(name: str, content: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(content, ensure_ascii=False)}\n\n".encode()
