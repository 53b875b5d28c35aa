"""Chats: what was said at each turn of a dialogue with a policy, and the rankings that its choices are."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rapidfuzz.distance import Levenshtein
from rest_framework import serializers

from annotate.accounts.models import Annotator
from annotate.campaigns.limits import MAX_MESSAGES, MAX_TEXT
from annotate.campaigns.models import Campaign, Completion, Prompt
from annotate.campaigns.services import NewPrompt, add_prompts, prompt_key
from annotate.feedback.kinds.base import HandedIn, Kind, Stored, begin_submission, store_submission
from annotate.feedback.kinds.checks import refuse
from annotate.feedback.kinds.forms import SubmissionSerializer
from annotate.feedback.kinds.pairs import store_pairs
from annotate.feedback.models import (
    OWN_ANSWER,
    STRONGEST,
    Assignment,
    Demonstration,
    Ranking,
    Suggestion,
)
from annotate.feedback.suggestions import draw_policies_of_side

CHAT = "chat"  # the source of prompts, completions and rankings that a chat has made
_random = random.SystemRandom()


class SeenAnswerSerializer(serializers.Serializer):
    """An answer as it was seen; of one that was stopped, as far as it had come."""

    suggestion = serializers.IntegerField()
    text = serializers.CharField(max_length=MAX_TEXT, trim_whitespace=False)


class ChatTurnSerializer(serializers.Serializer):
    content = serializers.CharField(
        max_length=MAX_TEXT,
        allow_blank=True,
        trim_whitespace=False,
        help_text="what the person said; empty where the prompt has said it",
    )
    answers = SeenAnswerSerializer(many=True, min_length=1, max_length=2)  # type: ignore[call-arg]
    chosen = serializers.IntegerField(help_text="the suggestion with which the dialogue goes on")
    strength = serializers.IntegerField(
        min_value=1,
        max_value=STRONGEST,
        required=False,
        allow_null=True,
        help_text="of two answers: 1 slightly, 2 clearly, 3 much better; null: equally good",
    )
    edited = serializers.CharField(
        max_length=MAX_TEXT,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="the chosen answer made better",
    )


class ChatSubmissionSerializer(SubmissionSerializer):
    turns = ChatTurnSerializer(many=True, min_length=1, max_length=MAX_MESSAGES // 2)  # type: ignore[call-arg]


@dataclass
class Said:
    """One turn: what was asked, the answers as they were seen, left or above first, and which one was chosen."""

    asked: list[dict[str, str]]
    answers: list[Suggestion]
    chosen: Suggestion
    strength: int | None
    edited: str

    @property
    def answer(self) -> str:
        return self.edited or self.chosen.text

    @property
    def is_choice(self) -> bool:
        """Between two that say the same there is nothing to choose."""
        return len({answer.text.strip() for answer in self.answers}) > 1

    @property
    def tiers(self) -> list[list[Suggestion]]:
        """The choice; without a strength the two are equally good."""
        if self.strength is None:
            return [self.answers]
        return [[self.chosen], [answer for answer in self.answers if answer is not self.chosen]]


def place_of_answer(assignment: Assignment, given: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The policies to ask for the next answer, in order, and where the answer will stand."""
    messages = given["messages"]
    if given.get("pair") is None:
        raise refuse("pair", _("Say with which other answer this one stands."), "required")
    if given["turn"] != len(messages):
        raise refuse("turn", _("The next message is wanted."), "turn")
    pair, side = given["pair"], given.get("side", 0)
    policies = draw_policies_of_side(assignment, pair, side)
    return policies, {"pair": pair, "side": side, "asked": prompt_key(messages)}


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    return {"role": message["role"], "content": message["content"]}


def read_turns(assignment: Assignment, turns: Sequence[dict[str, Any]]) -> list[Said]:
    """The dialogue turn by turn; every answer in it must have been offered here, to these words."""
    offered = {suggestion.id: suggestion for suggestion in assignment.suggestions.all()}
    messages = [_plain(message) for message in assignment.unit.prompt.messages]
    said: list[Said] = []
    for i, turn in enumerate(turns):
        where = f"turns[{i}]"
        is_asked = bool(messages) and messages[-1]["role"] == "user"
        if is_asked and turn["content"]:
            raise refuse(
                f"{where}.content", _("The prompt has asked already: the answer comes first."), "role"
            )
        if not is_asked:
            if not turn["content"].strip():
                raise refuse(f"{where}.content", _("This message is empty."), "blank")
            messages = [*messages, {"role": "user", "content": turn["content"]}]
        answers = _answers_in(turn, prompt_key(messages), offered, where)
        one = _chosen_in(turn, messages, answers, where)
        if one.edited and assignment.campaign.own_answer == Campaign.OwnAnswer.OFF:
            reason = _("This campaign does not ask for an answer of your own.")
            raise refuse(f"{where}.edited", reason, "not_asked")
        said.append(one)
        messages = [*messages, {"role": "assistant", "content": one.answer}]
    return said


def _answers_in(
    turn: dict[str, Any], key: str, offered: dict[int, Suggestion], where: str
) -> list[Suggestion]:
    """The answers that stood beside each other, with the text that was seen; each is taken out of `offered`."""
    answers: list[Suggestion] = []
    for j, seen in enumerate(turn["answers"]):
        answer = offered.pop(seen["suggestion"], None)
        if answer is None or answer.asked != key or (answers and answer.pair != answers[0].pair):
            reason = _("This answer was not offered here, or is named twice.")
            raise refuse(f"{where}.answers[{j}].suggestion", reason, "unknown")
        text = seen["text"]
        # A little more may have come after it was stopped, and the last of it may still be on its way to be kept.
        is_part = answer.text.startswith(text) or text.startswith(answer.text)
        if text != answer.text and (answer.is_complete or not is_part):
            reason = _("The answer said something else. Write your own words as its edited form.")
            raise refuse(f"{where}.answers[{j}].text", reason, "text")
        answer.text = text
        answers.append(answer)
    return sorted(answers, key=lambda answer: answer.side)


def _chosen_in(
    turn: dict[str, Any], messages: list[dict[str, str]], answers: list[Suggestion], where: str
) -> Said:
    chosen = next((answer for answer in answers if answer.id == turn["chosen"]), None)
    if chosen is None:
        raise refuse(f"{where}.chosen", _("Choose one of this turn's answers."), "unknown")
    strength = turn.get("strength")
    if strength is not None and len(answers) < 2:
        raise refuse(f"{where}.strength", _("A strength is of a choice between two answers."), "not_better")
    edited = turn.get("edited") or ""
    is_edited = bool(edited.strip()) and edited != chosen.text
    return Said(messages, answers, chosen, strength, edited if is_edited else "")


def settle_answers(said: Iterable[Said], offered: list[Suggestion]) -> None:
    """Taken as it was, edited (how far), or refused, as one that was asked for again."""
    chosen = {one.chosen.id: one for one in said}
    for answer in offered:
        one = chosen.get(answer.id)
        answer.outcome, answer.edit_distance = Suggestion.Outcome.REFUSED, None
        if one:
            answer.outcome = Suggestion.Outcome.EDITED if one.edited else Suggestion.Outcome.TAKEN
            answer.edit_distance = Levenshtein.distance(one.chosen.text, one.answer)
    Suggestion.objects.bulk_update(offered, ["outcome", "edit_distance"])


def store_choices(dialogue: Demonstration, said: Sequence[Said]) -> None:
    """Each choice as a ranking of two with its strength; each edited answer as one above the answer it was.

    What an earlier revision of the dialogue had made is taken away first.
    """
    campaign, assignment = dialogue.campaign, dialogue.assignment_id
    if dialogue.revision > 1:
        demonstrated_in_chat(dialogue).delete()
        rankings_of_chat(dialogue).delete()
    judged = [(i, one) for i, one in enumerate(said) if one.is_choice or one.edited]
    prompts = _prompts(campaign, dialogue, [one for _i, one in judged])
    prompt_of = [prompts[prompt_key(one.asked)] for _i, one in judged]
    offered, edited = _completions(dialogue, [one for _i, one in judged], prompt_of)
    rankings: list[Ranking] = []
    written: list[tuple[Ranking, Said]] = []
    about = {
        "campaign": campaign, "annotator": dialogue.annotator, "is_surplus": dialogue.is_surplus,
        "language": dialogue.language, "source": CHAT,
    }  # fmt: skip
    for (i, one), prompt in zip(judged, prompt_of, strict=True):
        name = f"{assignment}:{i}"
        if one.is_choice:
            tiers = [[offered[answer.id].pk for answer in tier] for tier in one.tiers]
            shown = [offered[answer.id].pk for answer in one.answers]
            rankings.append(Ranking(
                prompt=prompt, tiers=tiers, strength=one.strength, shown_order=shown, external_id=name, **about
            ))  # fmt: skip
        if one.edited:
            better, was = edited[prompt.pk, one.edited].pk, offered[one.chosen.id].pk
            rankings.append(Ranking(
                prompt=prompt, tiers=[[better], [was]], shown_order=[was], external_id=f"{name}:edited", **about
            ))  # fmt: skip
            written.append((rankings[-1], one))
    Ranking.objects.bulk_create(rankings)
    store_pairs(rankings)
    if campaign.own_answer == Campaign.OwnAnswer.DEMONSTRATION:
        Demonstration.objects.bulk_create(
            Demonstration(
                campaign=campaign, annotator=dialogue.annotator, is_surplus=dialogue.is_surplus,
                language=dialogue.language, source=OWN_ANSWER, external_id=str(ranking.pk), prompt=ranking.prompt,
                messages=[*one.asked, {"role": "assistant", "content": one.edited}],
            )
            for ranking, one in written
        )  # fmt: skip


def rankings_of_chat(dialogue: Demonstration) -> QuerySet[Ranking]:
    """Found by their whole names: an index on text serves no beginnings in every collation."""
    assert dialogue.assignment
    num_turns = dialogue.assignment.suggestions.count()  # at most: each turn has an answer that was offered
    turns = [f"{dialogue.assignment_id}:{turn}" for turn in range(num_turns)]
    names = [*turns, *(f"{name}:edited" for name in turns)]
    return Ranking.objects.filter(campaign=dialogue.campaign, source=CHAT, external_id__in=names)


def demonstrated_in_chat(dialogue: Demonstration) -> QuerySet[Demonstration]:
    """The answers that were made better, where they are dialogues too."""
    names = [str(pk) for pk in rankings_of_chat(dialogue).values_list("pk", flat=True)]
    return Demonstration.objects.filter(campaign=dialogue.campaign, source=OWN_ANSWER, external_id__in=names)


def _prompts(campaign: Campaign, dialogue: Demonstration, said: Iterable[Said]) -> dict[str, Prompt]:
    """What was asked at each of these turns, by its key, as prompts of a campaign."""
    unit = dialogue.prompt.metadata if dialogue.prompt else {}
    held = {"evaluation_only": unit["evaluation_only"]} if "evaluation_only" in unit else {}
    asked = [NewPrompt(one.asked, language=dialogue.language, source=CHAT, metadata=held) for one in said]
    added = add_prompts(campaign, asked)
    return {prompt.key: prompt for prompt in [*added.created, *added.repeated]}


def _completions(
    dialogue: Demonstration, said: Sequence[Said], prompt_of: Sequence[Prompt]
) -> tuple[dict[int, Completion], dict[tuple[int, str], Completion]]:
    """The answers by their suggestion, and the edited ones by prompt and text; those that are known stay."""
    known = Completion.objects.filter(prompt__in=prompt_of)
    offered = {int(row.external_id): row for row in known.filter(source=CHAT)}
    own = known.filter(source=OWN_ANSWER, author=dialogue.annotator)
    edited = {(row.prompt_id, row.text): row for row in own}
    new: list[Completion] = []
    for one, prompt in zip(said, prompt_of, strict=True):
        for answer in one.answers:
            if answer.id not in offered:
                offered[answer.id] = Completion(
                    prompt=prompt, text=answer.text, policy_version_id=answer.policy_version_id,
                    sampling=answer.sampling, seed=answer.seed, source=CHAT, external_id=str(answer.id),
                )  # fmt: skip
                new.append(offered[answer.id])
        place = (prompt.pk, one.edited)
        if one.edited and place not in edited:
            edited[place] = Completion(
                prompt=prompt, text=one.edited, author=dialogue.annotator, source=OWN_ANSWER
            )
            new.append(edited[place])
    Completion.objects.bulk_create(new)
    return offered, edited


def hand_on(campaign: Campaign, dialogue: Demonstration, said: Sequence[Said]) -> None:
    """One turn, at random, as a prompt of a campaign where other answers to it are sampled and ranked.

    So OpenAI made the comparisons for ChatGPT: a model-written message picked at random from trainers' conversations,
    and several alternatives to it.
    """
    _prompts(campaign, dialogue, [_random.choice(said)])


@transaction.atomic
def submit_chat(
    assignment_id: int, annotator: Annotator, handed_in: HandedIn, *, turns: list[dict[str, Any]]
) -> Stored:
    """Store a dialogue with a policy, its choices and edited answers as rankings.

    With the first submission one turn, picked at random, becomes a prompt of the campaign in which it is ranked.
    """
    assignment, stored, earlier = begin_submission(KIND, assignment_id, annotator, handed_in)
    if stored:
        return Stored(stored, False)
    said = read_turns(assignment, turns)
    settle_answers(said, list(assignment.suggestions.all()))
    last = said[-1]
    dialogue = store_submission(
        KIND,
        assignment,
        earlier,
        handed_in,
        prompt=assignment.unit.prompt,
        messages=[*last.asked, {"role": "assistant", "content": last.answer}],
        metadata={"turns": turns},
    )
    store_choices(dialogue, said)
    if earlier is None and assignment.campaign.ranking_campaign:
        hand_on(assignment.campaign.ranking_campaign, dialogue, said)
    return Stored(dialogue, True)


def _content_of(dialogue: Demonstration) -> dict[str, Any]:
    return {"turns": dialogue.metadata["turns"]}


def _made_beside(dialogue: Demonstration) -> list[QuerySet[Any]]:
    """Its choices, and the answers that were made better: those first, which are found by the choices."""
    return [demonstrated_in_chat(dialogue), rankings_of_chat(dialogue)]


KIND = Kind(
    Campaign.Kind.CHAT,
    Demonstration,
    ChatSubmissionSerializer,
    submit_chat,
    _content_of,
    made_beside=_made_beside,
)
