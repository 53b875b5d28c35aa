from django.db import migrations

from annotate.data_paths import DataPathField, keep_relative


class Migration(migrations.Migration):
    dependencies = [
        ("snapshots", "0005_side"),
    ]

    operations = [
        migrations.AlterField(model_name="snapshot", name="path", field=DataPathField(max_length=1000)),
        migrations.AlterField(model_name="feedbackimport", name="path", field=DataPathField(max_length=1000)),
        migrations.RunPython(
            keep_relative("snapshots", ("Snapshot", "path"), ("FeedbackImport", "path")),
            migrations.RunPython.noop,
        ),
    ]
