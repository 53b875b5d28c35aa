"""Which campaigns a login may see: its own; admins and trainers see all. What one may not see is a 404."""

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, Membership


def oversees(user: User) -> bool:
    """Admins and trainers see all campaigns, and which policy wrote what."""
    return bool({"admin", "trainer"} & set(user.roles))


def workers() -> QuerySet[Membership]:
    """The memberships of those who work: whoever is put out of a campaign, or of the role, is out of its work."""
    is_annotator = Q(user__is_annotator=True) | Q(user__is_superuser=True)
    return Membership.objects.filter(is_annotator, user__is_active=True)


def visible_to(user: User) -> QuerySet[Campaign]:
    campaigns = Campaign.objects.all()
    return campaigns if oversees(user) else campaigns.filter(memberships__in=workers().filter(user=user))


def visible_campaign(user: User, campaign_id: int) -> Campaign:
    return get_object_or_404(visible_to(user), id=campaign_id)
