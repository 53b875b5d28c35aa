"""The JSON of agreement."""

from rest_framework import serializers


class OwnAgreementSerializer(serializers.Serializer):
    """How often one agrees with others in one campaign; over complete units alone."""

    campaign = serializers.IntegerField()
    num_pairs = serializers.IntegerField(help_text="pairs that one and somebody else have both put in order")
    min_pairs = serializers.IntegerField(help_text="so many are needed before the share is shown")
    share = serializers.FloatField(
        allow_null=True, help_text="of these pairs in the same order, from 0 to 1; null: too few pairs"
    )
