import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0005_promotions_and_relative_paths"),
    ]

    # What a row said of a server that runs now; the next look says it anew.
    operations = [
        migrations.DeleteModel(name="ModelServer"),
        migrations.CreateModel(
            name="ModelServer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("url", models.CharField(help_text="up to and with /v1", max_length=500)),
                (
                    "model_name",
                    models.CharField(
                        blank=True, default="", help_text="what it is asked for", max_length=1000
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("off", "Off"),
                            ("starting", "Starting"),
                            ("ready", "Ready"),
                            ("unreachable", "Unreachable"),
                            ("stopping", "Stopping"),
                        ],
                        default="off",
                        max_length=16,
                    ),
                ),
                ("detail", models.TextField(blank=True, default="")),
                (
                    "launch",
                    models.JSONField(
                        blank=True, default=dict, help_text="host, process id and its creation time"
                    ),
                ),
                ("num_failures", models.PositiveSmallIntegerField(default=0)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                (
                    "changed_at",
                    models.DateTimeField(blank=True, help_text="since when it is as it is", null=True),
                ),
                ("tended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "policy_version",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="servers",
                        to="runs.policyversion",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("url", "model_name"), name="model_server_once")
                ],
            },
        ),
    ]
