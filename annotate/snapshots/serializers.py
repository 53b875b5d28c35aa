"""The JSON of snapshots and imports. Shape only; services decide."""

from rest_framework import serializers

from annotate.campaigns.models import Campaign
from annotate.campaigns.serializers import NamedSerializer
from annotate.snapshots.models import FeedbackImport, Snapshot


class RejectedSerializer(serializers.Serializer):
    line = serializers.IntegerField()
    reason = serializers.CharField()


class FileReportSerializer(serializers.Serializer):
    file = serializers.CharField()
    format = serializers.CharField()
    records = serializers.IntegerField(help_text="accepted + duplicates + the number of those rejected")
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    unread_fields = serializers.DictField(
        child=serializers.IntegerField(),
        required=False,
        help_text="fields that were not read, by name: in how many records; reports of earlier versions have none",
    )
    rejected = RejectedSerializer(many=True)


class StoredSerializer(serializers.Serializer):
    """What the campaign holds after the import."""

    trees = serializers.IntegerField()
    messages = serializers.IntegerField()
    authors = serializers.IntegerField()
    languages = serializers.IntegerField()
    prompts = serializers.IntegerField()
    demonstrations = serializers.IntegerField()
    rankings = serializers.IntegerField()
    comparisons = serializers.IntegerField()
    ratings = serializers.IntegerField()


class ImportReportSerializer(serializers.Serializer):
    files = FileReportSerializer(many=True)
    stored = StoredSerializer()


class ImportSerializer(serializers.ModelSerializer):
    report = ImportReportSerializer(allow_null=True)

    class Meta:
        model = FeedbackImport
        fields = ["id", "file_name", "format", "state", "num_records", "report", "error", "created_at"]
        read_only_fields = fields


class UploadSerializer(serializers.Serializer):
    """A multipart body."""

    file = serializers.FileField(allow_empty_file=True)
    format = serializers.CharField(max_length=40, default="auto")


class ImportFormatSerializer(serializers.Serializer):
    name = serializers.CharField()
    description = serializers.CharField()


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
