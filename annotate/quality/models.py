"""Trusted: how far people agree."""

from django.db import models

from annotate.accounts.models import Annotator
from annotate.campaigns.models import Campaign
from annotate.feedback.models import Assignment


class Agreement(models.Model):
    """How one person's ranking agrees with those that others made of the same unit.

    Counted when the unit is complete, and anew when one of its rankings is corrected, so that a person's figure is a
    sum over rows of their own.
    """

    assignment = models.OneToOneField(Assignment, on_delete=models.CASCADE, related_name="+")
    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="+", db_index=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="+")
    num_pairs = models.PositiveIntegerField(
        help_text="pairs that this ranking and another both order, added up over the others"
    )
    num_same = models.PositiveIntegerField(help_text="of these, ordered the same way")

    class Meta:
        indexes = [
            models.Index(
                fields=["annotator", "campaign"],
                include=["num_pairs", "num_same"],
                name="agreement_of_annotator",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(num_same__lte=models.F("num_pairs")), name="agreement_within_its_pairs"
            )
        ]
