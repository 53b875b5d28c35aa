"""What every submission's form has: its key, the time it took, what it corrects. The rest is in each kind's module."""

import math
from typing import Any

from rest_framework import serializers

THIRTY_DAYS = 30 * 86_400


class SecondsField(serializers.FloatField):
    """A device's clock may be set while somebody works: no reason to refuse their words."""

    def to_internal_value(self, data: Any) -> float:
        seconds = super().to_internal_value(data)
        return min(max(seconds, 0.0), THIRTY_DAYS) if math.isfinite(seconds) else 0.0


class SubmissionSerializer(serializers.Serializer):
    submission_key = serializers.UUIDField(
        help_text="made by the client; sent again, nothing is stored twice"
    )
    seconds_spent = SecondsField(
        required=False, allow_null=True, help_text="below 0 and beyond thirty days it is cut to that"
    )
    revises = serializers.IntegerField(
        min_value=1, required=False, allow_null=True, help_text="the revision that this corrects"
    )
