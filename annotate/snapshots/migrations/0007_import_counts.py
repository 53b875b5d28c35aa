"""An import's counts in columns of their own, and its refusals apart and bounded, so that a list reads neither."""

from django.db import migrations, models

BOUND_REPORTS = """
UPDATE snapshots_feedbackimport SET
    found_format = coalesce(report #>> '{files,0,format}', ''),
    num_accepted = coalesce((report #>> '{files,0,accepted}')::int, 0),
    num_duplicates = coalesce((report #>> '{files,0,duplicates}')::int, 0),
    num_rejected = jsonb_array_length(report #> '{files,0,rejected}'),
    rejected = coalesce((
        SELECT jsonb_agg(one ORDER BY place) FROM jsonb_array_elements(report #> '{files,0,rejected}')
        WITH ORDINALITY AS refused (one, place) WHERE place <= 1000), '[]'),
    report = jsonb_set(report #- '{files,0,rejected}', '{files,0}', (report #> '{files,0}') - 'rejected'
        || jsonb_build_object('num_rejected', jsonb_array_length(report #> '{files,0,rejected}'),
                              'reasons', '[]'::jsonb, 'made', '{}'::jsonb))
WHERE jsonb_typeof(report #> '{files,0,rejected}') = 'array'
"""


class Migration(migrations.Migration):

    dependencies = [("snapshots", "0006_relative_paths")]

    operations = [
        *(
            migrations.AddField("feedbackimport", name, models.PositiveIntegerField(default=0))
            for name in ("num_accepted", "num_duplicates", "num_rejected")
        ),
        migrations.AddField(
            "feedbackimport",
            "num_parsed",
            models.PositiveIntegerField(
                default=0, help_text="parts of the file that are done: where an import that broke off goes on"
            ),
        ),
        migrations.AddField(
            "feedbackimport", "found_format", models.CharField(blank=True, default="", max_length=40)
        ),
        migrations.AddField(
            "feedbackimport",
            "rejected",
            models.JSONField(blank=True, default=list, help_text="the first thousand [{line, reason}]"),
        ),
        migrations.AlterField(
            "feedbackimport",
            "report",
            models.JSONField(
                blank=True, help_text="counts by file; small, whatever the file is", null=True
            ),
        ),
        migrations.AlterField(
            "feedbackimport",
            "num_attempts",
            models.PositiveSmallIntegerField(default=0, help_text="since it last got further"),
        ),
        migrations.RunSQL(BOUND_REPORTS, migrations.RunSQL.noop),
    ]
