from django.db import migrations, models

HELP = "leased when completions were named by id; since then by place (feedback.naming)"


class Migration(migrations.Migration):
    """What is leased already goes on with the ids it was shown, in drafts and on devices; what comes is by place."""

    dependencies = [("feedback", "0010_newly_judged")]

    operations = [
        migrations.AddField("assignment", "shows_ids", models.BooleanField(default=True, help_text=HELP)),
        migrations.AlterField("assignment", "shows_ids", models.BooleanField(default=False, help_text=HELP)),
    ]
