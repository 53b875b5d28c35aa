"""Neutral records into a campaign's rows: in batches, each once, however often the file comes.

Every function here runs inside a transaction that holds the campaign's row (services.import_file), so two
imports into one campaign take turns and their counts are exact.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from annotate.accounts.models import Annotator
from annotate.campaigns.limits import too_long, too_long_prompt
from annotate.campaigns.models import Campaign, Completion, Prompt
from annotate.campaigns.services import NewPrompt, add_prompts, prompt_key
from annotate.exchange.formats.records import Feedback, RankingRow, RatingRow, identity
from annotate.exchange.models import Message
from annotate.feedback.kinds.pairs import store_pairs
from annotate.feedback.models import Comparison, Demonstration, Ranking, Rating, Unit
from annotate.feedback.queue.units import NewUnit, queue_units


class Known:
    """What a batch needs to find again: annotators, prompts and completions by the ids of the source."""

    def __init__(self, campaign: Campaign, source: str, items: list[Feedback], made: Counter[str]) -> None:
        self.campaign, self.source, self.items, self.made = campaign, source, items, made
        self.is_new = [False] * len(items)
        self.annotators = annotators_of(source, (name for item in items for name in authors_of(item)))
        self.prompts: list[Prompt] = []  # one for each item
        self.completions: list[list[Completion]] = []  # likewise

    def annotator(self, author: str) -> Annotator | None:
        return self.annotators[author] if author else None


def store_feedback(campaign: Campaign, source: str, items: list[Feedback], made: Counter[str]) -> list[bool]:
    """Store prompts with their completions, rankings, ratings and demonstrations; which items brought anything.

    `made` counts the new rows by name.
    """
    known = Known(campaign, source, items, made)
    _store_prompts(known)
    _store_completions(known)
    _store_rankings(known)
    _store_ratings(known)
    _store_demonstrations(known)
    _queue_work(known)
    return known.is_new


def unworkable(item: Feedback) -> str:
    """Why people could not work on it: a text, or all of its prompt, is longer than a submission may be."""
    texts = [completion.text for completion in item.completions]
    texts += [message["content"] for row in item.demonstrations for message in row.messages]
    return too_long(texts) or too_long_prompt(message["content"] for message in item.messages)


def authors_of(item: Feedback) -> Iterable[str]:
    yield item.author
    for completion in item.completions:
        yield completion.author
        yield from (rating.author for rating in completion.ratings)
    yield from (row.author for row in item.rankings)
    yield from (row.author for row in item.demonstrations)


def annotators_of(source: str, names: Iterable[str]) -> dict[str, Annotator]:
    """People known only by their id in the source; made where they are not known yet."""
    wanted = sorted({name for name in names if name})
    Annotator.objects.bulk_create(
        [Annotator(source=source, external_id=name) for name in wanted], ignore_conflicts=True
    )
    rows = Annotator.objects.filter(source=source, external_id__in=wanted, user=None)
    return {annotator.external_id: annotator for annotator in rows}


def _store_prompts(known: Known) -> None:
    added = add_prompts(
        known.campaign,
        [
            NewPrompt(
                messages=item.messages,
                language=item.language,
                source=known.source,
                external_id=item.external_id,
                author=known.annotator(item.author),
                metadata=item.metadata,
            )
            for item in known.items
        ],
    )
    known.made["prompts"] += len(added.created)
    by_key = {prompt.key: prompt for prompt in [*added.repeated, *added.created]}
    fresh = {prompt.key for prompt in added.created}
    _mark_for_evaluation(known, by_key)
    for position, item in enumerate(known.items):
        prompt = by_key[prompt_key(item.messages)]
        known.prompts.append(prompt)
        if prompt.key in fresh:
            fresh.remove(prompt.key)  # the first item with it brought it
            known.is_new[position] = True


def _mark_for_evaluation(known: Known, by_key: dict[str, Prompt]) -> None:
    """A prompt that was known before is for evaluation only as soon as one source says so."""
    asked = {prompt_key(item.messages) for item in known.items if item.metadata.get("evaluation_only")}
    unmarked = [by_key[key] for key in asked if not by_key[key].metadata.get("evaluation_only")]
    for prompt in unmarked:
        prompt.metadata = {**prompt.metadata, "evaluation_only": True}
    Prompt.objects.bulk_update(unmarked, ["metadata"])


def _store_completions(known: Known) -> None:
    prompt_ids = {prompt.pk for prompt in known.prompts}
    names = {row.external_id for item in known.items for row in item.completions}
    stored = {
        (completion.prompt_id, completion.external_id): completion
        for completion in Completion.objects.filter(
            prompt_id__in=prompt_ids, source=known.source, external_id__in=names
        )
    }
    new = []
    for position, (item, prompt) in enumerate(zip(known.items, known.prompts, strict=True)):
        for row in item.completions:
            if (prompt.pk, row.external_id) in stored:
                continue
            stored[prompt.pk, row.external_id] = completion = Completion(
                prompt=prompt,
                text=row.text,
                author=known.annotator(row.author),
                model_name=row.model_name,
                sampling=row.sampling,
                seed=row.seed,
                source=known.source,
                external_id=row.external_id,
                metadata=row.metadata,
            )
            new.append(completion)
            known.is_new[position] = True
    known.made["completions"] += len(Completion.objects.bulk_create(new))
    for item, prompt in zip(known.items, known.prompts, strict=True):
        known.completions.append([stored[prompt.pk, row.external_id] for row in item.completions])


def _store_rankings(known: Known) -> None:
    """Rankings by their id in the source. An imported consensus that has grown (new replies) takes its new form."""
    names = {row.external_id for item in known.items for row in item.rankings}
    stored = {
        ranking.external_id: ranking
        for ranking in Ranking.objects.filter(
            campaign=known.campaign, source=known.source, external_id__in=names
        )
    }
    new: list[Ranking] = []
    grown: list[Ranking] = []
    given: list[tuple[Ranking, RankingRow, list[Completion]]] = []
    for position, item in enumerate(known.items):
        completions = known.completions[position]
        for row in item.rankings:
            tiers = [[completions[i].pk for i in tier] for tier in row.tiers]
            ranking = stored.get(row.external_id)
            if ranking is None:
                ranking = stored[row.external_id] = Ranking(
                    campaign=known.campaign,
                    prompt=known.prompts[position],
                    annotator=known.annotator(row.author),
                    tiers=tiers,
                    all_bad=row.all_bad,
                    shown_order=[completions[i].pk for i in row.shown_order],
                    criteria={
                        name: [[completions[i].pk for i in tier] for tier in order]
                        for name, order in row.criteria.items()
                    },
                    language=item.language,
                    source=known.source,
                    external_id=row.external_id,
                    metadata=row.metadata,
                    **row.about,
                )
                new.append(ranking)
                known.is_new[position] = True
            elif ranking.pk and [sorted(t) for t in ranking.tiers] != [sorted(t) for t in tiers]:
                ranking.tiers = tiers
                grown.append(ranking)
            given.append((ranking, row, completions))
    known.made["rankings"] += len(Ranking.objects.bulk_create(new))
    if grown:
        Ranking.objects.bulk_update(grown, ["tiers"])
        Comparison.objects.filter(ranking__in=grown).delete()
    store_pairs([*new, *grown])
    fresh = {ranking.pk for ranking in new}
    ratings = [
        _rating(known, rating, completions[i], ranking)
        for ranking, row, completions in given
        if ranking.pk in fresh
        for i, rating in row.ratings
    ]
    known.made["ratings"] += len(Rating.objects.bulk_create(ratings))


def _rating(known: Known, row: RatingRow, completion: Completion, ranking: Ranking | None = None) -> Rating:
    return Rating(
        campaign=known.campaign,
        completion=completion,
        ranking=ranking,
        annotator=known.annotator(row.author),
        criterion=row.criterion,
        value=row.value,
        scale_min=row.scale_min,
        scale_max=row.scale_max,
        flags=row.flags,
        source=known.source,
        external_id=row.external_id,
        metadata=row.metadata,
    )


def _store_ratings(known: Known) -> None:
    """Ratings of a completion that belong to no ranking: labels, thumbs."""
    names = {rating.external_id for item in known.items for row in item.completions for rating in row.ratings}
    stored = set(
        Rating.objects.filter(
            campaign=known.campaign, source=known.source, external_id__in=names
        ).values_list("external_id", "criterion")
    )
    new = []
    for position, item in enumerate(known.items):
        for row, completion in zip(item.completions, known.completions[position], strict=True):
            for rating in row.ratings:
                if (rating.external_id, rating.criterion) in stored:
                    continue
                stored.add((rating.external_id, rating.criterion))
                new.append(_rating(known, rating, completion))
                known.is_new[position] = True
    known.made["ratings"] += len(Rating.objects.bulk_create(new))


def _store_demonstrations(known: Known) -> None:
    names = {row.external_id for item in known.items for row in item.demonstrations}
    stored = set(
        Demonstration.objects.filter(
            campaign=known.campaign, source=known.source, external_id__in=names
        ).values_list("external_id", flat=True)
    )
    new = []
    for position, item in enumerate(known.items):
        for row in item.demonstrations:
            if row.external_id in stored:
                continue
            stored.add(row.external_id)
            known.is_new[position] = True
            new.append(
                Demonstration(
                    campaign=known.campaign,
                    prompt=known.prompts[position],
                    annotator=known.annotator(row.author),
                    messages=row.messages,
                    weight=row.weight,
                    language=item.language,
                    source=known.source,
                    external_id=row.external_id,
                    metadata=row.metadata,
                    **row.about,
                )
            )
    known.made["demonstrations"] += len(Demonstration.objects.bulk_create(new))


def _queue_work(known: Known) -> None:
    """What nobody has answered, or ranked, yet becomes a unit of a campaign of that kind."""
    if known.campaign.kind in Campaign.WRITING:
        waiting = {
            prompt.pk
            for item, prompt, is_new in zip(known.items, known.prompts, known.is_new, strict=True)
            if is_new and item.wants_work and not item.completions and not item.demonstrations
        }
        for table in (Unit, Demonstration, Completion):
            waiting -= set(table.objects.filter(prompt_id__in=waiting).values_list("prompt_id", flat=True))
        units = [NewUnit(pk, external_id=f"prompt:{pk}") for pk in sorted(waiting)]
        known.made["units"] += queue_units(known.campaign, units)
        return
    units = []
    fewest, most = known.campaign.fewest_and_most
    for position, item in enumerate(known.items):
        if not known.is_new[position] or item.rankings:
            continue
        texts = {completion.text: completion.pk for completion in reversed(known.completions[position])}
        ids = sorted(texts.values())[:most]
        if len(ids) >= fewest:
            units.append(NewUnit(known.prompts[position].pk, ids, f"completions:{identity(ids)}"))
    known.made["units"] += queue_units(known.campaign, units)


def stored_counts(campaign: Campaign) -> dict[str, Any]:
    """What the campaign holds now, counted in the database."""
    holders: list[tuple[QuerySet[Any], str]] = [
        (campaign.prompts.all(), "author"),
        (Completion.objects.filter(prompt__campaign=campaign), "author"),
        (campaign.demonstrations.all(), "annotator"),
        (campaign.rankings.all(), "annotator"),
        (campaign.ratings.all(), "annotator"),
    ]
    messages = Message.objects.filter(campaign=campaign)
    authors = messages.exclude(author=None).order_by().values("author")
    authors = authors.union(*(rows.exclude(**{name: None}).order_by().values(name) for rows, name in holders))
    languages = messages.exclude(language="").order_by().values("language")
    languages = languages.union(campaign.prompts.exclude(language="").order_by().values("language"))
    return {
        "trees": campaign.trees.count(),
        "messages": messages.count(),
        "authors": authors.count(),
        "languages": languages.count(),
        "prompts": campaign.prompts.count(),
        "demonstrations": campaign.demonstrations.count(),
        "rankings": campaign.rankings.count(),
        "comparisons": Comparison.objects.filter(campaign=campaign).count(),
        "ratings": campaign.ratings.count(),
    }
