"""The JSON of snapshots. Shape only; services decide."""

from rest_framework import serializers

from annotate.campaigns.models import Campaign
from annotate.campaigns.serializers import NamedSerializer
from annotate.snapshots.models import Snapshot


class RowCountsSerializer(serializers.Serializer):
    """Rows of each file; empty while the snapshot is being written."""

    prompts = serializers.IntegerField(required=False)
    demonstrations = serializers.IntegerField(required=False)
    rankings = serializers.IntegerField(required=False)
    comparisons = serializers.IntegerField(required=False)


class SplitCountsSerializer(serializers.Serializer):
    train = serializers.IntegerField()
    validation = serializers.IntegerField()


class RowSplitsSerializer(serializers.Serializer):
    """Of each file's rows, how many are trained on and how many held out; empty until the snapshot is ready."""

    prompts = SplitCountsSerializer(required=False)
    demonstrations = SplitCountsSerializer(required=False)
    rankings = SplitCountsSerializer(required=False)
    comparisons = SplitCountsSerializer(required=False)


class SnapshotSerializer(serializers.ModelSerializer):
    campaigns = NamedSerializer(many=True)
    counts = RowCountsSerializer()
    splits = RowSplitsSerializer()
    parent = NamedSerializer(allow_null=True)

    class Meta:
        model = Snapshot
        fields = [
            *("id", "name", "state", "campaigns", "counts", "splits", "split_seed", "validation_fraction"),
            *("manifest_sha256", "parent", "error", "created_at"),
        ]
        read_only_fields = fields


class NewSnapshotSerializer(serializers.Serializer):
    campaigns = serializers.PrimaryKeyRelatedField(
        queryset=Campaign.objects.all(), many=True, allow_empty=False
    )
    name = serializers.CharField(max_length=100, default="", allow_blank=True)
