"""Which campaigns a login may see: its own; admins and trainers see all. What one may not see is a 404."""

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign


def oversees(user: User) -> bool:
    """Admins and trainers see all campaigns, and which policy wrote what."""
    return bool({"admin", "trainer"} & set(user.roles))


def visible_to(user: User) -> QuerySet[Campaign]:
    campaigns = Campaign.objects.all()
    return campaigns if oversees(user) else campaigns.filter(memberships__user=user)


def visible_campaign(user: User, campaign_id: int) -> Campaign:
    return get_object_or_404(visible_to(user), id=campaign_id)
