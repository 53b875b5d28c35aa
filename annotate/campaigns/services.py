"""Writes of campaigns: the campaign itself, its guidelines, its members and its prompts."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from annotate.accounts.models import Annotator, User
from annotate.api.errors import Conflict
from annotate.campaigns.models import DEFAULT_K, Campaign, Consent, Guidelines, Membership, Prompt, Terms

BATCH = 2000
Versioned = TypeVar("Versioned", Guidelines, Terms)


@transaction.atomic
def create_campaign(
    *, name: str, kind: str, created_by: User | None = None, guidelines_text: str = "", **options: Any
) -> Campaign:
    """A campaign, open unless `status` says otherwise, with the first version of its guidelines when there is a text."""
    if kind == Campaign.Kind.REVIEW:
        options.setdefault("correction_hours", 0)
    campaign = Campaign(name=name, kind=kind, created_by=created_by, **options)
    if "num_completions" not in options:
        campaign.num_completions = min(DEFAULT_K, campaign.fewest_and_most[1])
    _refuse_misfits(campaign)
    _save_with_own_name(campaign)
    if guidelines_text:
        write_guidelines(campaign, guidelines_text, by=created_by)
    return campaign


def _refuse_misfits(campaign: Campaign) -> None:
    """As many completions as the kind has and nothing that it does not ask; a review is of another campaign's work."""
    kind = campaign.kind
    refusals: dict[str, Any] = {}
    if kind == Campaign.Kind.REVIEW:
        refusals = _misfits_of_review(campaign)
    fewest, most = campaign.fewest_and_most
    if not fewest <= campaign.num_completions <= most:
        between = _("Completions in this kind of work: at least %(fewest)s, at most %(most)s.")
        refusals["num_completions"] = between % {"fewest": fewest, "most": most}
    if kind in Campaign.CHOOSING:
        refusals["is_rated_first"] = campaign.is_rated_first and _("This kind of work asks for no ratings.")
        one_choice = _("This kind of work asks for one choice. Rank for several criteria.")
        refusals["criteria"] = campaign.criteria and one_choice
    if kind != Campaign.Kind.REVIEW and campaign.reviewed_campaign:
        refusals["reviewed_campaign"] = _("Only a campaign of reviews looks at another's work.")
    later = campaign.ranking_campaign
    if kind != Campaign.Kind.CHAT and later:
        refusals["ranking_campaign"] = _("Only chats hand their turns on to be ranked.")
    elif later and later.kind not in Campaign.JUDGING:
        judged = _("Choose a campaign in which completions are ranked or compared.")
        refusals["ranking_campaign"] = judged
    if reasons := {name: [reason] for name, reason in refusals.items() if reason}:
        raise ValidationError(reasons)


def _misfits_of_review(campaign: Campaign) -> dict[str, Any]:
    reviewed = campaign.reviewed_campaign
    if reviewed is None:
        return {"reviewed_campaign": _("Say which campaign's work is reviewed.")}
    taken = Campaign.objects.filter(reviewed_campaign=reviewed).exclude(pk=campaign.pk).exists()
    return {
        "reviewed_campaign": (reviewed.kind == Campaign.Kind.REVIEW and _("Reviews are not reviewed again."))
        or (taken and _("This campaign's work is reviewed in another one already.")),
        "overlap": campaign.overlap != 1 and _("One person reviews each piece of work."),
        "correction_hours": campaign.correction_hours and _("What a reviewer has decided stands: 0 hours."),
    }


def _save_with_own_name(campaign: Campaign, columns: Sequence[str] | None = None) -> None:
    try:
        with transaction.atomic():
            campaign.save(update_fields=columns)
    except IntegrityError as error:
        if "name" not in str(error):
            raise
        taken = _("There is already a campaign of this name. Choose another.")
        raise ValidationError({"name": [taken]}, code="unique") from error


@transaction.atomic
def change_settings(campaign: Campaign, changes: dict[str, Any]) -> Campaign:
    """Change a campaign's own row; `feedback.queue.units.update_campaign` does it, and what it means for its units."""
    campaign = Campaign.objects.select_for_update(no_key=True).get(id=campaign.id)
    for name, value in changes.items():
        setattr(campaign, name, value)
    _refuse_misfits(campaign)
    _save_with_own_name(campaign, list(changes))
    return campaign


def write_guidelines(campaign: Campaign, text: str, *, by: User | None) -> Guidelines:
    return _write_version(Guidelines, campaign, text, by)


def write_terms(campaign: Campaign, text: str, *, by: User | None) -> Terms:
    """What people agree to from now on; who has begun agrees anew before their next unit."""
    return _write_version(Terms, campaign, text, by)


@transaction.atomic
def _write_version(kind: type[Versioned], campaign: Campaign, text: str, by: User | None) -> Versioned:
    """A new version; the same text again is no new version."""
    Campaign.objects.select_for_update(no_key=True).get(id=campaign.id)
    latest = kind.objects.filter(campaign=campaign).order_by("-version").first()
    if latest and latest.text == text:
        return latest
    version = latest.version + 1 if latest else 1
    return kind.objects.create(campaign=campaign, version=version, text=text, created_by=by)


def terms_to_accept(campaign: Campaign, user: User) -> Terms | None:
    """The terms in force, unless this login agreed to them or they ask nothing."""
    given = Exists(Consent.objects.filter(terms=OuterRef("pk"), user=user))
    in_force = Terms.objects.filter(campaign=campaign).annotate(is_given=given).order_by("-version").first()
    return in_force if in_force and in_force.text.strip() and not in_force.is_given else None


@transaction.atomic
def give_consent(campaign: Campaign, user: User, version: int) -> Consent:
    """Agree to the terms that are in force, and that were read."""
    Campaign.objects.select_for_update(no_key=True).get(id=campaign.id)
    in_force = Terms.objects.filter(campaign=campaign).order_by("-version").first()
    if in_force is None or in_force.version != version:
        raise Conflict(_("The terms have changed meanwhile. Read them as they are now."), "terms_changed")
    return Consent.objects.get_or_create(terms=in_force, user=user)[0]


def mark_guidelines_read(campaign: Campaign, user: User, version: int) -> None:
    """Never back to an older version, nor ahead to one that is still to be written."""
    newest = campaign.guidelines.values_list("version", flat=True).first() or 0
    if version > newest:
        raise ValidationError({"version": [_("There is no such version of the guidelines.")]}, code="unknown")
    mine = Membership.objects.filter(campaign=campaign, user=user)
    mine.filter(Q(guidelines_read=None) | Q(guidelines_read__lt=version)).update(guidelines_read=version)


def add_member(campaign: Campaign, user: User) -> tuple[Membership, bool]:
    """The membership, and whether it is new."""
    return Membership.objects.get_or_create(campaign=campaign, user=user)


def remove_member(campaign: Campaign, user_id: int) -> bool:
    """Whether there was one. What the person gave stays; what they hold goes to others (feedback.queue.leasing.sweep)."""
    deleted, _rows = Membership.objects.filter(campaign=campaign, user_id=user_id).delete()
    return deleted > 0


def prompt_key(messages: Sequence[dict[str, str]], brief: str = "") -> str:
    """sha256 of what is asked, in one canonical spelling: the same prompt has the same key."""
    asked = {"brief": brief, "messages": [{"content": m["content"], "role": m["role"]} for m in messages]}
    canonical = json.dumps(asked, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def refuse_material(campaign: Campaign) -> None:
    """A campaign of reviews has no prompts of its own."""
    if campaign.kind == Campaign.Kind.REVIEW:
        reason = _("A campaign of reviews takes its work from the campaign that it reviews.")
        raise ValidationError({"campaign": [reason]})


@dataclass
class NewPrompt:
    """A prompt as somebody hands it in."""

    messages: Sequence[dict[str, str]] = ()
    brief: str = ""
    language: str = ""
    source: str = ""
    external_id: str = ""
    author: Annotator | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class AddedPrompts:
    """In the order given; a prompt that was stored already, or came twice, is in `repeated` once for each time."""

    created: list[Prompt]
    repeated: list[Prompt]


@transaction.atomic
def add_prompts(campaign: Campaign, prompts: Iterable[NewPrompt]) -> AddedPrompts:
    """Store prompts, each once; a campaign of reviews has none of its own. Batches of some thousand rows; the campaign's row keeps two writers apart."""
    Campaign.objects.select_for_update(no_key=True).get(id=campaign.id)
    added = AddedPrompts([], [])
    refuse_material(campaign)
    waiting = iter(prompts)
    while batch := list(islice(waiting, BATCH)):
        keyed = [(prompt_key(prompt.messages, prompt.brief), prompt) for prompt in batch]
        known = {p.key: p for p in campaign.prompts.filter(key__in=[key for key, _prompt in keyed])}
        new: list[Prompt] = []
        for key, given in keyed:
            if key in known:
                added.repeated.append(known[key])
                continue
            known[key] = Prompt(
                campaign=campaign,
                key=key,
                messages=list(given.messages),
                brief=given.brief,
                language=given.language or campaign.language,
                source=given.source,
                external_id=given.external_id,
                author=given.author,
                metadata=given.metadata,
            )
            new.append(known[key])
        added.created += Prompt.objects.bulk_create(new)
    return added


def guidelines_seen_by(campaign: Campaign, user: User) -> dict[str, Any] | None:
    """The guidelines in force, and in `read` the version that this login read last where it is an older one."""
    in_force = campaign.guidelines.first()
    if in_force is None:
        return None
    seen = Membership.objects.filter(campaign=campaign, user=user).values("guidelines_read")
    read = campaign.guidelines.filter(version__in=seen, version__lt=in_force.version).first()
    return {
        "version": in_force.version,
        "text": in_force.text,
        "created_at": in_force.created_at,
        "read": read,
    }
