"""The JSON of imports. Shape only; services decide."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.exchange.models import FeedbackImport

SHOWN_REFUSALS = 100


class RejectedSerializer(serializers.Serializer):
    line = serializers.IntegerField()
    reason = serializers.CharField()


class ReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(help_text="the first of its kind")
    count = serializers.IntegerField()


class MadeSerializer(serializers.Serializer):
    """New rows of the campaign. Absent: none."""

    trees = serializers.IntegerField(required=False)
    messages = serializers.IntegerField(required=False)
    prompts = serializers.IntegerField(required=False)
    completions = serializers.IntegerField(required=False)
    demonstrations = serializers.IntegerField(required=False)
    rankings = serializers.IntegerField(required=False)
    ratings = serializers.IntegerField(required=False)
    units = serializers.IntegerField(required=False)


class FileReportSerializer(serializers.Serializer):
    file = serializers.CharField()
    format = serializers.CharField()
    records = serializers.IntegerField(help_text="accepted + duplicates + num_rejected")
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    num_rejected = serializers.IntegerField()
    reasons = ReasonSerializer(many=True, help_text="the refusals by kind, the most frequent first")
    made = MadeSerializer()
    unread_fields = serializers.DictField(
        child=serializers.IntegerField(),
        required=False,
        help_text="fields that were not read, by name: in how many records; reports of earlier versions have none",
    )
    rejected = RejectedSerializer(
        many=True, help_text="the first hundred; import_refusals has the first thousand"
    )


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
    """One row of the list: counts, no report."""

    class Meta:
        model = FeedbackImport
        fields = [
            *("id", "file_name", "format", "found_format", "state", "error", "created_at"),
            *("num_records", "num_accepted", "num_duplicates", "num_rejected"),
        ]
        read_only_fields = fields


class ImportDetailSerializer(ImportSerializer):
    report = serializers.SerializerMethodField()

    class Meta(ImportSerializer.Meta):
        fields = [*ImportSerializer.Meta.fields, "report"]
        read_only_fields = fields

    @extend_schema_field(ImportReportSerializer(allow_null=True))
    def get_report(self, row: FeedbackImport) -> dict[str, Any] | None:
        """When the import has ended."""
        if not row.report or "stored" not in row.report:
            return None
        files = [file | {"rejected": row.rejected[:SHOWN_REFUSALS]} for file in row.report["files"]]
        return {**row.report, "files": files}


class UploadSerializer(serializers.Serializer):
    """A multipart body."""

    file = serializers.FileField(allow_empty_file=True)
    format = serializers.CharField(max_length=40, default="auto")


class ImportFormatSerializer(serializers.Serializer):
    name = serializers.CharField()
    description = serializers.CharField()
